// The cut of a batch of latents, the tie of two kept singular values with its gradients, and the cut of images.
import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Columns, Large, Part } from "../parts/Card";
import { AxisLeft, Bar, Curve, Dot, oval, type Place, Plot, Text } from "../parts/chart";
import { Slider } from "../parts/controls";
import { eigen, type Point } from "../parts/eigen";
import { Handle, slide } from "../parts/handle";
import { Image, type Look } from "../parts/Image";
import { limit, type Pair, power, scaleLinear, scaleLog, short } from "../parts/scale";

const SIDE = 300;
const REACH = 2;
const PUSH = 0.01;
const FAN = Array.from({ length: 21 }, (_, i) => PUSH * (i / 10 - 1));
const LINE = 1.8; // of a direction of the tie: spreads of the batch
const degrees = (angle: number) => (180 * angle) / Math.PI;
const percent = (share: number) => `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)}\u00a0%`;
const rounded = (point: number[]) => point.map((v) => Number(limit(v, -REACH, REACH).toFixed(3))) as Point;

interface Images {
  name: string;
  count: number;
  directions: number;
  most: number;
  shape: [number, number, number];
  energy: number;
  look: Look;
}

/** The gap between two singular values, as one of those that gradients were computed for. */
interface Gap {
  gaps: number[];
  at: number;
  setGap: (place: number) => void;
}

export function TruncatedSVD({ host }: { host: Host }) {
  const latents = host.trait<Point[]>("latents");
  const gap = host.trait<number>("gap");
  const rank = host.trait<number>("rank");
  const gaps = useMemo(() => Array.from(host.array("_gaps", Float64Array)!), [host]);
  const at = gaps.findIndex((each) => Math.abs(each - gap.value) <= 1e-9 * each);
  const setGap = (place: number) => (gap.value = gaps[limit(Math.round(place), 0, gaps.length - 1)]);
  const images = host.get<Images>("_images");
  const round = () =>
    (latents.value = latents.value.map((_, i, { length }) => {
      const turn = (2 * Math.PI * i) / length;
      return rounded([1.2 * Math.cos(turn), 1.2 * Math.sin(turn)]);
    }));
  const cut = (to: number) => () => (rank.value = Math.min(to, images.directions));
  const presets = {
    "far apart": () => setGap(0),
    "one per cent apart": () => setGap(16),
    "one in a million": () => setGap(56),
    "a tie": () => setGap(gaps.length - 1),
    "a round cloud": round,
    ...(images.count > 0 && { "images at rank 2": cut(2), "images at rank 32": cut(32) }),
  };
  return (
    <Card
      {...{ host, presets }}
      title="The truncated SVD"
      about="what it keeps, and when its gradient grows without bound"
      reset={() => host.reset("latents", "gap", "push", "rank")}
    >
      <Columns widths="1 1 1.25">
        <Cut latents={latents} />
        <Tie {...{ host, gaps, at, setGap }} />
        <Gradients {...{ host, gaps, at, setGap }} />
      </Columns>
      {images.count > 0 && <Pictures {...{ host, images, rank }} />}
    </Card>
  );
}

function Cut({ latents }: { latents: Signal<Point[]> }) {
  const all = latents.value;
  const sum = (f: (point: Point) => number) => all.reduce((total, point) => total + f(point), 0);
  const { values, angle } = eigen(
    sum(([x]) => x * x),
    sum(([x, y]) => x * y),
    sum(([, y]) => y * y),
  );
  const kept = values[0] / (values[0] + values[1] || 1);
  const u = [Math.cos(angle), Math.sin(angle)];
  const spreads = values.map((value) => Math.sqrt(Math.max(0, value) / all.length));
  const far = REACH / Math.max(Math.abs(u[0]), Math.abs(u[1])); // to the frame
  const move = (i: number, to: Point) => (latents.value = all.map((p, k) => (k === i ? rounded(to) : p)));
  return (
    <Part title="The cut" hint="rank 1 of 2: drag a latent">
      <Plot height={SIDE} label="latents and their projections">
        {(w) => {
          const unit = Math.min(w, SIDE) / (2 * REACH + 0.3);
          const x = scaleLinear([0, 1], [w / 2, w / 2 + unit]);
          const y = scaleLinear([0, 1], [SIDE / 2, SIDE / 2 - unit]);
          const at = (point: Point): Pair => [x(point[0]), y(point[1])];
          const along = (much: number) => at([much * u[0], much * u[1]]);
          const [centre, side] = [{ x: x(0), y: y(0) }, unit * 2 * REACH];
          const arrow = (theta: number, length: number, tone: string, is: string) => {
            const head = Math.min(7, length / 2);
            const [cos, sin] = [Math.cos(theta), Math.sin(theta)];
            const tip = { x: centre.x + length * cos + 14 * sin, y: centre.y - length * sin + 14 * cos };
            const d = `M0 0H${length}m${-head} ${-head * 0.7}l${head} ${head * 0.7}l${-head} ${head * 0.7}`;
            return (
              <g aria-hidden="true" stroke-linecap="round">
                <g transform={turned(centre, theta)}>
                  <Curve d={d} tone={tone} width={2.5} />
                </g>
                <Text {...tip} class="strong halo level middle" is={is} />
              </g>
            );
          };
          return (
            <>
              <rect class="hairline" x={x(-REACH)} y={y(REACH)} width={side} height={side} rx={8} />
              <Text x={x(-REACH) + 8} y={y(REACH) + 16} is="y₂, −2 to 2 ↑" />
              <Text x={x(REACH) - 8} y={y(-REACH) - 9} class="end" is="y₁, −2 to 2 →" />
              <g transform={turned(centre, angle)}>
                <Curve d={oval(unit * spreads[0], unit * spreads[1])} tone="faint" fill={0.15} />
              </g>
              <Curve d={[along(-far), along(far)]} tone="vrrae" width={6} opacity={0.18} />
              {all.map((point, i) => {
                const left = along(point[0] * u[0] + point[1] * u[1]);
                return (
                  <g key={i} aria-hidden="true">
                    <Curve d={[at(point), left]} tone="muted" dash="2 3" />
                    <Dot x={left[0]} y={left[1]} r={3.5} tone="paper" rim="vrrae" width={1.5} />
                  </g>
                );
              })}
              {arrow(angle, unit * spreads[0], "vrrae", "σ₁")}
              {arrow(angle + Math.PI / 2, unit * spreads[1], "muted", "σ₂")}
              {all.map(([px, py], i) => (
                <Handle
                  key={i}
                  {...{ x: x(px), y: y(py), value: px, limits: [-REACH, REACH], radius: 5.5 }}
                  label={`latent ${i + 1}`}
                  words={`${px.toFixed(2)}, ${py.toFixed(2)}`}
                  onDrag={(qx, qy) => move(i, [x.invert(qx), y.invert(qy)])}
                  onKey={(n, across) => move(i, across ? [px + 0.1 * n, py] : [px, py + 0.1 * n])}
                />
              ))}
            </>
          );
        }}
      </Plot>
      <div>
        <Large tone="vrrae" is={percent(kept)} /> kept, σ₁² = {values[0].toFixed(1)} of{" "}
        {(values[0] + values[1]).toFixed(1)}
      </div>
      <p class="caption">
        Dots: a batch. Rings: what rank 1 leaves of it. The dashed lines, squared and summed, are σ₂² ={" "}
        {values[1].toFixed(2)}, and no other line leaves less. Ellipse and arrows: σⱼ/√N along each direction.
      </p>
    </Part>
  );
}

/** What has its x axis at an angle, from `centre` on. */
const turned = ({ x, y }: { x: number; y: number }, angle: number) => `translate(${x} ${y}) rotate(${-degrees(angle)})`;

/** Where the directions of the first batch stand. */
const TURNED = 0.42;
const TALL = SIDE - 50;

function Tie({ host, gaps, at, setGap }: Gap & { host: Host }) {
  const push = host.trait<number>("push");
  const gap = gaps[at] ?? host.trait<number>("gap").value;
  // in the frame of the singular directions before the push: V, orthonormal columns, and the push
  const { left, pushes, moments } = useMemo(() => {
    const numbers = Array.from(host.array("_batch", Float32Array)!);
    const pairs = numbers.flatMap((v, i) => (i % 2 ? [[numbers[i - 1], v] as Point] : []));
    const [left, pushes] = [pairs.slice(0, pairs.length / 2), pairs.slice(pairs.length / 2)];
    const dot = (a: Point[], i: number, b: Point[], j: number) => a.reduce((s, row, n) => s + row[i] * b[n][j], 0);
    const square = (a: Point[], b: Point[]) => [0, 1].map((i) => [0, 1].map((j) => dot(a, i, b, j)));
    return { left, pushes, moments: [square(left, pushes), square(pushes, pushes)] };
  }, [host]);
  const sigma = [1, 1 - gap];
  const directions = (t: number) => {
    const [q, p] = moments;
    const gram = (i: number, j: number) =>
      (i === j ? sigma[i] ** 2 : 0) + t * (sigma[i] * q[i][j] + sigma[j] * q[j][i]) + t * t * p[i][j];
    return eigen(gram(0, 0), gram(0, 1), gram(1, 1));
  };
  const now = directions(push.value);
  const spread = Math.sqrt(left.length);
  const points = left.map((v, n) => [0, 1].map((j) => spread * (v[j] * sigma[j] + push.value * pushes[n][j])));
  const swing = Math.abs(directions(PUSH).angle - directions(-PUSH).angle);
  const angle = TURNED + now.angle;
  const ends = now.values.map((value) => LINE * Math.sqrt(Math.max(0, value)));
  return (
    <Part title="A tie" hint="rank 2, both kept: drag σ₂ towards σ₁">
      <Plot height={TALL} label="singular directions of a batch under a perturbation">
        {(w) => {
          const unit = Math.min(w, TALL) / 5.2;
          const centre = { x: w / 2, y: TALL / 2 };
          const cross = (theta: number, [first, second]: number[], width: number, opacity = 1) => (
            <g transform={turned(centre, theta)}>
              <Curve d={`M${-unit * first} 0H${unit * first}`} tone="vrrae" {...{ width, opacity }} />
              <Curve d={`M0 ${-unit * second}V${unit * second}`} {...{ width, opacity }} />
            </g>
          );
          const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
          const along = (length: number) => ({ x: w / 2 + unit * length * cos, y: TALL / 2 - unit * length * sin });
          const tip = { x: w / 2 - unit * ends[1] * sin, y: TALL / 2 - unit * ends[1] * cos };
          const drag = (px: number, py: number) => {
            const short = 1 - ((w / 2 - px) * sin + (TALL / 2 - py) * cos) / unit / LINE;
            setGap(short < 0.005 ? Infinity : -10 * Math.log10(Math.min(short, 0.4)) - 4);
          };
          return (
            <>
              <circle class="hairline" cx={w / 2} cy={TALL / 2} r={unit * LINE} />
              {FAN.map((t) => cross(TURNED + directions(t).angle, [LINE, LINE * sigma[1]], 1.25, 0.3))}
              <g transform={turned(centre, TURNED)}>
                {points.map(([x, y], n) => (
                  <g key={n} transform={turned({ x: unit * x, y: -unit * y }, now.angle)}>
                    {n % 3 === 0 && <Curve d={oval(unit * 0.34, unit * 0.1)} tone="vrrae" fill={0.16} opacity={0.6} />}
                    <Dot r={2.5} tone="muted" />
                  </g>
                ))}
              </g>
              {cross(angle, ends, 2.5)}
              <Text {...along(ends[0] + 0.28)} class="strong halo level middle" is="σ₁" />
              <Handle
                {...tip}
                {...{ value: 1 - gap, limits: [0.6, 1], onDrag: drag }}
                label="second singular value"
                words={gap ? `gap ${short(gap)} of the first` : "as large as the first"}
                onKey={(steps) => setGap(steps ? at + steps : 0)}
              />
              <Text x={tip.x + 12} y={tip.y} class="strong halo level" is="σ₂" />
            </>
          );
        }}
      </Plot>
      <Slider
        label="perturbation of the batch"
        value={push.value}
        limits={[-PUSH, PUSH]}
        step={PUSH / 100}
        words={(v) => `${(100 * v).toFixed(2).replace("-", "−")} %`}
        onInput={(v) => (push.value = v)}
      />
      <div>
        <Large is={`${degrees(swing).toFixed(1)}°`} /> of turn between −1 % and +1 %
      </div>
      <p class="caption">
        Thin lines: the directions under perturbations from −1 to 1 %. The points hardly move, and they are all that an
        RRAE passes on. A VRRAE adds noise of its own size along each direction (ellipses), which turns with them.
      </p>
    </Part>
  );
}

const RULES = ["exact", "plain autodiff", "kept pairs left out"];
const MODELS = ["vrrae", "rrae"];

function Gradients({ host, gaps, at, setGap }: Gap & { host: Host }) {
  const norms = useMemo(() => host.array("_norms", Float32Array)!, [host]);
  const norm = (model: number, rule: number, place: number) => norms[(3 * model + rule) * gaps.length + place];
  const decades = 1 + Math.floor(Math.log10(Math.max(...Array.from(norms).filter(Number.isFinite))));
  const domain: Pair = [1, 10 ** decades];
  const ticks = Array.from({ length: decades / 2 + 1 }, (_, i) => 100 ** i);
  const last = gaps.length - 1;
  const height = 186;
  const y = scaleLog(domain, [height - 34, 22]);
  return (
    <Part title="The gradient" hint="of a squared error, by three rules: drag the gap">
      <Plot height={height} label="norm of the gradient against the gap">
        {(w) => {
          const x = (place: number) => (place === last ? w - 16 : 46 + ((w - 100) * place) / (last - 1));
          const line = (model: number, rule: number) =>
            gaps.slice(0, last).map((_, place): Place => [x(place), y(norm(model, rule, place))]);
          const format = (v: number) => power(Math.round(Math.log10(v)));
          const drag = (px: number) => setGap(px > w - 32 ? last : limit((px - 46) / (w - 100), 0, 1) * (last - 1));
          return (
            <>
              <AxisLeft scale={y} name="norm of the gradient" at={42} grid={w - 42} {...{ ticks, format }} />
              {[1, 2, 3, 4, 5, 6, 7, 8].map((n) => (
                <Text key={n} x={x(10 * n - 4)} y={height - 18} class="middle" is={power(-n)} />
              ))}
              <Text x={x(last)} y={height - 18} class="middle" is="0" />
              <Text x={(x(0) + x(last)) / 2} y={height - 3} class="middle" is="gap (σ₁ − σ₂)/σ₁" />
              <Curve d={`M${x(at)} 18V${height - 34}`} opacity={0.5} />
              <Curve d={line(1, 0)} tone="rrae" width={2} />
              <Curve d={line(0, 2)} tone="vrrae" width={2} dash="5 4" />
              <Curve d={line(0, 0)} tone="vrrae" width={2} />
              <Text x={x(56)} y={y(norm(0, 0, 56)) - 8} class="halo end" is="VRRAE: ∝ 1/gap" />
              <Text x={x(44)} y={y(norm(0, 2, 44)) - 7} class="halo" is="VRRAE, kept pairs left out" />
              <Text x={x(44)} y={y(norm(1, 0, 44)) + 15} class="halo" is="RRAE, every rule" />
              {MODELS.map((model, m) => (
                <Dot key={model} x={x(last)} y={y(norm(m, 0, last))} r={3} tone={model} />
              ))}
              <Text x={x(last)} y={y(domain[1]) + 12} class="halo middle" tone="alarm" is="NaN" />
              <Handle
                {...{ x: x(at), y: y(norm(0, 0, at)), value: -at, limits: [-last, 0], onDrag: drag }}
                label="gap between the singular values"
                words={gaps[at] ? short(gaps[at]) : "0, a tie"}
                tone="vrrae"
                onKey={(steps) => setGap(steps ? at + steps : 0)}
              />
            </>
          );
        }}
      </Plot>
      <h4 class="next">
        {gaps[at] ? `At a gap of ${short(gaps[at])}` : "At a tie"} <span>norms, on a logarithmic scale</span>
      </h4>
      <Plot height={132} label="norms at this gap">
        {(w) => {
          const size = scaleLog(domain, [0, w - 212]);
          return MODELS.flatMap((model, m) =>
            RULES.map((rule, r) => {
              const value = norm(m, r, at);
              const lost = Number.isNaN(value);
              const clear = r === 2 ? 0.45 : 0.9;
              return (
                <g key={model + rule} transform={`translate(0 ${66 * m + 21 * r})`}>
                  {r === 0 && <Text y={12} class="strong" is={model.toUpperCase()} />}
                  <Text x={50} y={12} is={rule} />
                  {lost && <Curve d={`M162 2h${w - 212}v13H162z`} tone="alarm" dash="3 3" />}
                  {lost && <Text x={168} y={12} class="strong" tone="alarm" is="NaN: no gradient at all" />}
                  {!lost && (
                    <Bar x={162} y={2} {...{ width: size(value), height: 13, rx: 3, tone: model }} opacity={clear} />
                  )}
                  {!lost && <Text x={167 + size(value)} y={12} class="strong" is={short(value)} />}
                </g>
              );
            }),
          );
        }}
      </Plot>
      <p class="caption">
        Computed by the library, in float64, for 12 latents of size 8 at rank 3. At a tie itself the exact rule leaves
        that pair out as well; leaving out all kept pairs keeps the gradient bounded, but biases it.
      </p>
    </Part>
  );
}

function Pictures({ host, images, rank }: { host: Host; images: Images; rank: Signal<number> }) {
  const { count, directions, shape, look } = images;
  const size = shape[0] * shape[1] * shape[2];
  const k = rank.value;
  const [shown, coefficients, basis, values] = useMemo(() => {
    const numbers = host.array("_pixels", Float32Array)!;
    let from = 0;
    const next = (length: number) => numbers.subarray(from, (from += length));
    return [count * size, count * directions, directions * size, directions].map(next);
  }, [host]);
  const rows = useMemo(() => {
    const cut = Array.from({ length: count }, (_, n) => {
      const pixels = new Float32Array(size);
      for (let j = 0; j < k; j++) {
        const weight = coefficients[n * directions + j];
        for (let i = 0; i < size; i++) pixels[i] += weight * basis[j * size + i];
      }
      return pixels;
    });
    const originals = cut.map((_, n) => shown.subarray(n * size, (n + 1) * size));
    return [originals, cut, cut.map((pixels, n) => originals[n].map((value, i) => value - pixels[i]))];
  }, [k]);
  const span = look.limits[1] - look.limits[0];
  const difference: Look = useMemo(() => ({ picture: "difference", limits: [-span / 2, span / 2] }), [span]);
  const energy = values.subarray(0, k).reduce((sum, value) => sum + value ** 2, 0);
  const share = Math.min(1, energy / images.energy);
  const names = ["images", `rank ${k}`, "difference"];
  const least = Math.max(values[directions - 1], values[0] * 1e-4);
  const y = scaleLog([least / 1.5, values[0] * 1.5], [128, 24]);
  const of = directions < images.most ? ` of ${images.most}` : "";
  return (
    <Columns widths="1 2.2">
      <Part title="The same cut on pixels" hint="drag the rank">
        <Plot height={150} label="singular values of the images">
          {(w) => {
            const x = scaleLinear([0, directions], [44, w - 8]);
            const set = slide(x, k, [1, directions], 1, 1, (to) => (rank.value = Math.round(to)));
            return (
              <>
                <AxisLeft scale={y} name="singular value σⱼ" at={40} grid={w - 40} ticks={y.ticks(9)} />
                {Array.from(values, (value, j) => (
                  <Dot key={j} x={x(j + 0.5)} y={y(Math.max(value, least))} r={2.5} tone={j < k ? "vrrae" : "faint"} />
                ))}
                <Text x={w - 8} y={146} class="end" is={`direction j, 1 to ${directions}${of}`} />
                <Curve d={`M${x(k)} 20V128`} width={1.5} />
                <Handle x={x(k)} y={76} label="rank" words={`rank ${k} of ${directions}`} {...set} />
              </>
            );
          }}
        </Plot>
        <div>
          <Large tone="vrrae" is={percent(share)} /> of the energy at rank {k}; error {percent(Math.sqrt(1 - share))}
        </div>
      </Part>
      <div class="table" style={{ gridTemplateColumns: `70px repeat(${count}, minmax(0, 72px))` }}>
        {rows.flatMap((row, r) => [
          <span key={r} class="muted">
            {names[r]}
          </span>,
          ...row.map((pixels, n) => {
            const label = `${names[r]}, ${n + 1}`;
            return <Image key={label} {...{ pixels, shape, label }} look={r === 2 ? difference : look} />;
          }),
        ])}
      </div>
    </Columns>
  );
}
