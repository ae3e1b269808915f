// The share of white noise that a batch's own SVD drops, by rank and by batch size, beside one basis for all batches.
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { Handle } from "../parts/handle";
import { apart, AxisBelow, AxisLeft, Plot } from "../parts/Plot";
import { path } from "../parts/path";
import { scaleLinear, scaleLog } from "../parts/scale";
import { limit } from "../parts/Slider";

const HEIGHT = 310;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const ticks = (v: number) => `${Math.round(100 * v)} %`;

export function BatchTruncation({ host }: { host: Host }) {
  const rank = host.trait<number>("rank");
  const size = host.trait<number>("batch_size");
  const most = host.get<number>("_latent_size");
  const sizes = host.get<number[]>("_sizes");
  const shares = useMemo(() => host.array("_dropped", Float32Array)!, [host]);
  const [k, n] = [rank.value, size.value];
  const dropped = (place: number, r: number) => shares[place * (most + 1) + r];
  const at = sizes.indexOf(n);
  const [own, fixed] = [dropped(at, k), 1 - k / most];
  const setRank = (value: number) => (rank.value = limit(Math.round(value), 1, most));
  const setSize = (place: number) => (size.value = sizes[limit(Math.round(place), 0, sizes.length - 1)]);
  const nearest = (wanted: number) =>
    sizes.reduce((best, each, i) => (Math.abs(each - wanted) < Math.abs(sizes[best] - wanted) ? i : best), 0);
  const y = scaleLinear([0, 1], [HEIGHT - 46, 26]);
  const axis = (
    <AxisLeft scale={y} name="white noise that is dropped" at={44} ticks={[0, 0.25, 0.5, 0.75, 1]} format={ticks} />
  );
  const names = apart([y(own), y(fixed)], 15, 30, HEIGHT - 52);
  const others = [16, 64, 256, 1024].filter((each) => each !== n);
  return (
    <Card host={host} title="What the SVD of a batch drops" about={`white noise in ${most} dimensions`}>
      <div class="columns" style={{ gridTemplateColumns: "minmax(0, 3fr) minmax(0, 2fr)" }}>
        <div>
          <h4>
            By rank <span>drag the handle along its curve</span>
          </h4>
          <Plot height={HEIGHT} label="share dropped against the rank">
            {(w) => {
              const x = scaleLinear([0, most], [48, w - 14]);
              const curve = (place: number) =>
                path(Array.from({ length: most + 1 }, (_, r) => [x(r), y(dropped(place, r))]));
              const middle = (each: number) => {
                const place = sizes.indexOf(each);
                let r = 0;
                while (r < most && dropped(place, r) > 0.15) r++;
                return r;
              };
              const right = x(k) < w - 190;
              const beside = { x: x(k) + (right ? 12 : -12), "text-anchor": right ? "start" : "end" };
              return (
                <>
                  {axis}
                  <AxisBelow scale={x} name="rank k" at={HEIGHT - 46} grid={HEIGHT - 72} />
                  {others.map((each) => (
                    <g key={each}>
                      <path d={curve(sizes.indexOf(each))} fill="none" stroke="var(--faint)" stroke-opacity={0.6} />
                      <text class="halo" x={x(middle(each))} y={y(0.15)} text-anchor="middle">
                        {each}
                      </text>
                    </g>
                  ))}
                  <line x1={x(0)} y1={y(1)} x2={x(most)} y2={y(0)} stroke="var(--ae)" stroke-width={2} />
                  <path d={curve(at)} fill="none" stroke="var(--vrrae)" stroke-width={2} />
                  <line x1={x(k)} x2={x(k)} y1={y(own)} y2={y(fixed)} stroke="var(--ink)" stroke-dasharray="2 3" />
                  <circle cx={x(k)} cy={y(fixed)} r={5} fill="var(--ae)" stroke="var(--paper)" stroke-width={2} />
                  <text class="strong halo" {...beside} y={names[1]} dy="-0.2em">
                    one basis for all
                  </text>
                  <text class="strong halo" {...beside} y={names[0]} dy="-0.2em">
                    each batch of {n}
                  </text>
                  <Handle
                    x={x(k)}
                    y={y(own)}
                    label="rank"
                    words={`rank ${k}: ${percent(own)} dropped`}
                    value={k}
                    min={1}
                    max={most}
                    colour="var(--vrrae)"
                    onDrag={(px) => setRank(x.invert(px))}
                    onKey={(steps) => setRank(steps ? k + steps : 1)}
                  />
                </>
              );
            }}
          </Plot>
        </div>
        <div>
          <h4>
            By batch size <span>at rank {k}</span>
          </h4>
          <Plot height={HEIGHT} label="share dropped against the batch size">
            {(w) => {
              const x = scaleLog([1, sizes[sizes.length - 1]], [48, w - 18]);
              return (
                <>
                  {axis}
                  <AxisBelow
                    scale={x}
                    name="images in a batch N"
                    at={HEIGHT - 46}
                    grid={HEIGHT - 72}
                    ticks={[1, 4, 16, 64, 256, 1024]}
                    format={String}
                  />
                  <line x1={48} x2={w - 18} y1={y(fixed)} y2={y(fixed)} stroke="var(--ae)" stroke-width={2} />
                  <text class="strong halo" x={54} y={y(fixed) + (fixed > 0.9 ? 16 : -7)}>
                    one basis for all, 1 − k/{most}
                  </text>
                  <path
                    d={path(sizes.map((each, i) => [x(each), y(dropped(i, k))]))}
                    fill="none"
                    stroke="var(--vrrae)"
                    stroke-width={2}
                  />
                  {sizes.map((each, i) => (
                    <circle key={each} cx={x(each)} cy={y(dropped(i, k))} r={2.5} fill="var(--vrrae)" />
                  ))}
                  <Handle
                    x={x(n)}
                    y={y(own)}
                    label="batch size"
                    words={`${n} images: ${percent(own)} dropped`}
                    value={n}
                    min={1}
                    max={sizes[sizes.length - 1]}
                    colour="var(--vrrae)"
                    onDrag={(px) => setSize(nearest(x.invert(limit(px, 48, w - 18))))}
                    onKey={(steps) => setSize(steps ? at + steps : 0)}
                  />
                  <text
                    class="strong halo"
                    x={x(n) + (own > 0.02 ? -12 : 12)}
                    y={y(own) + (own > 0.02 ? -4 : -12)}
                    text-anchor={own > 0.02 ? "end" : "start"}
                  >
                    {n} images
                  </text>
                </>
              );
            }}
          </Plot>
        </div>
      </div>
      <div class="foot">
        <span>
          <span class="large" style={{ color: "var(--vrrae)" }}>
            {percent(own)}
          </span>{" "}
          is what the SVD of each batch of {n} drops at rank {k}.{" "}
          <span class="large" style={{ color: "var(--ae)" }}>
            {percent(fixed)}
          </span>{" "}
          is what one basis drops. A batch of no more images than the rank loses nothing: its directions are its own.
        </span>
      </div>
      <Presets
        choices={{
          "as many images as directions": () => setSize(sizes.filter((each) => each <= k).length - 1),
          "three times as many": () => setSize(nearest(3 * k)),
          "1024 images": () => setSize(sizes.length - 1),
          "half the directions": () => setRank(most / 2),
        }}
        onReset={() => host.reset("rank", "batch_size")}
      />
    </Card>
  );
}
