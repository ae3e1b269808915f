// The share of white noise that a batch's own SVD drops, by rank and by batch size, beside one basis for all batches.
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Columns, Large, Part } from "../parts/Card";
import { apart, Chart, Curve, Dot, Text } from "../parts/chart";
import { Handle, slide } from "../parts/handle";
import { limit, nearest, type Pair } from "../parts/scale";

const HEIGHT = 310;
const percent = (share: number) => `${(100 * share).toFixed(1)}\u00a0%`;
const DROPPED = {
  name: "white noise that is dropped",
  domain: [0, 1] as Pair,
  ticks: [0, 0.25, 0.5, 0.75, 1],
  format: (v: number) => `${Math.round(100 * v)} %`,
};

export function BatchTruncation({ host }: { host: Host }) {
  const rank = host.trait<number>("rank");
  const size = host.trait<number>("batch_size");
  const most = host.get<number>("_latent_size");
  const sizes = host.get<number[]>("_sizes");
  const shares = useMemo(() => host.array("_dropped", Float32Array)!, [host]);
  const [k, n] = [rank.value, size.value];
  const dropped = (each: number, r: number) => shares[sizes.indexOf(each) * (most + 1) + r];
  const at = sizes.indexOf(n);
  const last = sizes[sizes.length - 1];
  const [own, fixed] = [dropped(n, k), 1 - k / most];
  const setRank = (value: number) => (rank.value = limit(Math.round(value), 1, most));
  const setSize = (value: number) => (size.value = sizes[nearest(sizes, value)]);
  const sizeByKey = (steps: number) => sizes[limit(at + steps, 0, sizes.length - 1)];
  const ranks = { name: "rank k", domain: [0, most] as Pair, grid: true };
  const powers = { log: true, ticks: [1, 4, 16, 64, 256, 1024], format: String };
  const batches = { ...powers, name: "images in a batch N", domain: [1, last] as Pair, grid: true };
  const presets = {
    "as many images as directions": () => setSize(sizes.filter((each) => each <= k).at(-1) ?? sizes[0]),
    "three times as many": () => setSize(3 * k),
    "1024 images": () => setSize(last),
    "half the directions": () => setRank(most / 2),
  };
  return (
    <Card
      {...{ host, presets }}
      title="What the SVD of a batch drops"
      about={`white noise in ${most} dimensions`}
      reset={() => host.reset("rank", "batch_size")}
    >
      <Columns widths="3 2">
        <Part title="By rank" hint="drag the handle along its curve">
          <Chart height={HEIGHT} label="share dropped against the rank" x={ranks} y={DROPPED}>
            {(x, y, w) => {
              const curve = (each: number) =>
                Array.from({ length: most + 1 }, (_, r): Pair => [x(r), y(dropped(each, r))]);
              const middle = (each: number) => Array.from({ length: most }, (_, r) => dropped(each, r) > 0.15);
              const names = apart([y(own), y(fixed)], 15, 30, HEIGHT - 52);
              const right = x(k) < w - 190;
              const beside = { x: x(k) + (right ? 12 : -12), class: `strong halo ${right ? "" : "end"}` };
              const set = slide(x, k, [1, most], 1, 1, setRank);
              return (
                <>
                  {[16, 64, 256, 1024].map(
                    (each) =>
                      each !== n && (
                        <g key={each}>
                          <Curve d={curve(each)} tone="faint" opacity={0.6} />
                          <Text
                            x={x(middle(each).filter(Boolean).length)}
                            y={y(0.15)}
                            class="halo middle"
                            is={each === last ? `${each} images` : each}
                          />
                        </g>
                      ),
                  )}
                  <Curve
                    d={[
                      [x(0), y(1)],
                      [x(most), y(0)],
                    ]}
                    tone="ae"
                    width={2}
                  />
                  <Curve d={curve(n)} tone="vrrae" width={2} />
                  <Curve d={`M${x(k)} ${y(own)}V${y(fixed)}`} dash="2 3" />
                  <Dot x={x(k)} y={y(fixed)} r={5} tone="ae" rim="paper" />
                  <Text {...beside} y={names[1] - 2} is="one basis for all" />
                  <Text {...beside} y={names[0] - 2} is={`each batch of ${n}`} />
                  <Handle
                    x={x(k)}
                    y={y(own)}
                    label="rank"
                    words={`rank ${k}: ${percent(own)} dropped`}
                    {...set}
                    tone="vrrae"
                  />
                </>
              );
            }}
          </Chart>
        </Part>
        <Part title="By batch size" hint={`at rank ${k}`}>
          <Chart height={HEIGHT} label="share dropped against the batch size" x={batches} y={DROPPED}>
            {(x, y, w) => {
              const places = sizes.map((each): Pair => [x(each), y(dropped(each, k))]);
              const set = slide(x, n, [1, last], sizeByKey, sizes[0], setSize);
              const left = own > 0.02;
              const words = `${n} images: ${percent(own)} dropped`;
              return (
                <>
                  <Curve d={`M48 ${y(fixed)}H${w - 14}`} tone="ae" width={2} />
                  <Text
                    x={54}
                    y={y(fixed) + (fixed > 0.9 ? 16 : -7)}
                    class="strong halo"
                    is={`one basis for all, 1 − k/${most}`}
                  />
                  <Curve d={places} tone="vrrae" width={2} />
                  {places.map(([px, py]) => (
                    <Dot key={px} x={px} y={py} r={2.5} />
                  ))}
                  <Handle x={x(n)} y={y(own)} label="batch size" words={words} {...set} tone="vrrae" />
                  <Text
                    x={x(n) + (left ? -12 : 12)}
                    y={y(own) + (left ? -4 : -12)}
                    class={`strong halo ${left ? "end" : ""}`}
                    is={`${n} images`}
                  />
                </>
              );
            }}
          </Chart>
        </Part>
      </Columns>
      <div class="foot">
        <span>
          <Large tone="vrrae" is={percent(own)} /> is dropped at rank {k} by the SVD of each batch of {n},{" "}
          <Large tone="ae" is={percent(fixed)} /> by one basis for all. A batch with no more images than the rank loses
          nothing: its directions are its own.
        </span>
      </div>
    </Card>
  );
}
