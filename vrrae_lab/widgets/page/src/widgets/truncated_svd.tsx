// The cut of a batch of latents, the tie of two kept singular values with its gradients, and the cut of images.
import { path } from "../parts/path";
import { scaleLinear, scaleLog } from "../parts/scale";
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { Handle } from "../parts/handle";
import { Image, type Look } from "../parts/Image";
import { AxisLeft, Plot } from "../parts/Plot";
import { limit, power, short, Slider } from "../parts/Slider";
import { eigen, type Point } from "../parts/eigen";

const SIDE = 300;
const REACH = 2;
const PUSH = 0.01;
const FAN = Array.from({ length: 21 }, (_, i) => PUSH * (i / 10 - 1));
const LINE = 1.8; // of a direction of the tie: spreads of the batch
const degrees = (angle: number) => (180 * angle) / Math.PI;
const percent = (share: number) => `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)} %`;

interface Images {
  name: string;
  count: number;
  directions: number;
  most: number;
  shape: [number, number, number];
  energy: number;
  look: Look;
}

export function TruncatedSVD({ host }: { host: Host }) {
  const latents = host.trait<Point[]>("latents");
  const gap = host.trait<number>("gap");
  const push = host.trait<number>("push");
  const rank = host.trait<number>("rank");
  const gaps = useMemo(() => Array.from(host.array("_gaps", Float64Array)!), [host]);
  const at = gaps.findIndex((each) => Math.abs(each - gap.value) <= 1e-9 * each);
  const setGap = (place: number) => (gap.value = gaps[limit(Math.round(place), 0, gaps.length - 1)]);
  const images = host.get<Images>("_images");
  const withImages = images.count > 0;
  const round = () =>
    (latents.value = latents.value.map((_, i, { length }) => {
      const turn = (2 * Math.PI * i) / length;
      return [1.2 * Math.cos(turn), 1.2 * Math.sin(turn)].map((v) => Number(v.toFixed(3))) as Point;
    }));
  return (
    <Card host={host} title="The truncated SVD" about="what it keeps, and when its gradient grows without bound">
      <div class="columns" style={{ gridTemplateColumns: "minmax(0, 1fr) minmax(0, 1fr) minmax(0, 1.25fr)" }}>
        <Cut latents={latents.value} onMove={(all) => (latents.value = all)} />
        <Tie host={host} gap={gap.value} push={push.value} at={at} setGap={setGap} onPush={(v) => (push.value = v)} />
        <Gradients host={host} gaps={gaps} at={at} setGap={setGap} />
      </div>
      {withImages && <Pictures host={host} images={images} rank={rank.value} onRank={(v) => (rank.value = v)} />}
      <Presets
        choices={{
          "far apart": () => setGap(0),
          "one per cent apart": () => setGap(16),
          "one in a million": () => setGap(56),
          "a tie": () => setGap(gaps.length - 1),
          "a round cloud": round,
          ...(withImages && {
            "images at rank 2": () => (rank.value = Math.min(2, images.directions)),
            "at rank 32": () => (rank.value = Math.min(32, images.directions)),
          }),
        }}
        onReset={() => host.reset("latents", "gap", "push", "rank")}
      />
    </Card>
  );
}

function Cut({ latents, onMove }: { latents: Point[]; onMove: (latents: Point[]) => void }) {
  const sum = (f: (point: Point) => number) => latents.reduce((total, point) => total + f(point), 0);
  const { values, angle } = eigen(
    sum(([x]) => x * x),
    sum(([x, y]) => x * y),
    sum(([, y]) => y * y),
  );
  const kept = values[0] / (values[0] + values[1] || 1);
  const u = [Math.cos(angle), Math.sin(angle)];
  const spreads = values.map((value) => Math.sqrt(Math.max(0, value) / latents.length));
  const move = (i: number, x: number, y: number) =>
    onMove(
      latents.map((p, k) => (k === i ? ([x, y].map((v) => Number(limit(v, -REACH, REACH).toFixed(3))) as Point) : p)),
    );
  return (
    <div>
      <h4>
        The cut <span>rank 1 of 2: drag a latent</span>
      </h4>
      <Plot height={SIDE} label="latents and their projections">
        {(w) => {
          const unit = Math.min(w, SIDE) / (2 * REACH + 0.3);
          const [px, py] = [(x: number) => w / 2 + unit * x, (y: number) => SIDE / 2 - unit * y];
          const [ix, iy] = [(x: number) => (x - w / 2) / unit, (y: number) => (SIDE / 2 - y) / unit];
          const far = REACH / Math.max(Math.abs(u[0]), Math.abs(u[1])); // to the frame
          return (
            <>
              <rect
                class="hairline"
                x={px(-REACH)}
                y={py(REACH)}
                width={unit * 2 * REACH}
                height={unit * 2 * REACH}
                rx={8}
              />
              <ellipse
                rx={unit * spreads[0]}
                ry={unit * spreads[1]}
                transform={`translate(${px(0)} ${py(0)}) rotate(${-degrees(angle)})`}
                fill="var(--wash)"
                stroke="var(--faint)"
              />
              <line
                x1={px(-far * u[0])}
                y1={py(-far * u[1])}
                x2={px(far * u[0])}
                y2={py(far * u[1])}
                stroke="var(--vrrae)"
                stroke-width={6}
                stroke-opacity={0.18}
              />
              {latents.map(([x, y], i) => {
                const along = x * u[0] + y * u[1];
                const [qx, qy] = [px(along * u[0]), py(along * u[1])];
                return (
                  <g key={i} aria-hidden="true">
                    <line x1={px(x)} y1={py(y)} x2={qx} y2={qy} stroke="var(--muted)" stroke-dasharray="2 3" />
                    <circle cx={qx} cy={qy} r={3.5} fill="var(--paper)" stroke="var(--vrrae)" stroke-width={1.5} />
                  </g>
                );
              })}
              <Arrow x={px(0)} y={py(0)} angle={angle} length={unit * spreads[0]} colour="var(--vrrae)" name="σ₁" />
              <Arrow
                x={px(0)}
                y={py(0)}
                angle={angle + Math.PI / 2}
                length={unit * spreads[1]}
                colour="var(--muted)"
                name="σ₂"
              />
              {latents.map(([x, y], i) => (
                <Handle
                  key={i}
                  x={px(x)}
                  y={py(y)}
                  radius={5.5}
                  label={`latent ${i + 1}`}
                  words={`${x.toFixed(2)}, ${y.toFixed(2)}`}
                  value={x}
                  min={-REACH}
                  max={REACH}
                  onDrag={(qx, qy) => move(i, ix(qx), iy(qy))}
                  onKey={(steps, level) => (level ? move(i, x + 0.1 * steps, y) : move(i, x, y + 0.1 * steps))}
                />
              ))}
            </>
          );
        }}
      </Plot>
      <div>
        <span class="large" style={{ color: "var(--vrrae)" }}>
          {percent(kept)}
        </span>{" "}
        kept, σ₁² = {values[0].toFixed(1)} of {(values[0] + values[1]).toFixed(1)}
      </div>
      <p class="caption">
        Dots: a batch. Rings: what rank 1 leaves of it. The dashed lines, squared and summed, are σ₂² ={" "}
        {values[1].toFixed(2)}, and no other line leaves less. Ellipse and arrows: σⱼ/√N along each direction.
      </p>
    </div>
  );
}

interface ArrowProps {
  x: number;
  y: number;
  angle: number;
  length: number;
  colour: string;
  name: string;
}

function Arrow({ x, y, angle, length, colour, name }: ArrowProps) {
  const head = Math.min(7, length / 2);
  return (
    <g transform={`translate(${x} ${y})`} aria-hidden="true">
      <g transform={`rotate(${-degrees(angle)})`} stroke={colour} stroke-width={2.5} stroke-linecap="round" fill="none">
        <path d={`M0 0H${length}m${-head} ${-head * 0.7}l${head} ${head * 0.7}l${-head} ${head * 0.7}`} />
      </g>
      <text
        class="strong halo"
        x={length * Math.cos(angle) + 14 * Math.sin(angle)}
        y={-length * Math.sin(angle) + 14 * Math.cos(angle)}
        dy="0.32em"
        text-anchor="middle"
      >
        {name}
      </text>
    </g>
  );
}

interface TieProps {
  host: Host;
  gap: number;
  push: number;
  at: number;
  setGap: (place: number) => void;
  onPush: (push: number) => void;
}

/** Where the directions of the first batch stand. */
const TURNED = 0.42;

function Tie({ host, gap, push, at, setGap, onPush }: TieProps) {
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
  const now = directions(push);
  const spread = Math.sqrt(left.length);
  const points = left.map((v, n) => [0, 1].map((j) => spread * (v[j] * sigma[j] + push * pushes[n][j])) as Point);
  const swing = Math.abs(directions(PUSH).angle - directions(-PUSH).angle);
  const angle = TURNED + now.angle;
  const ends = now.values.map((value) => LINE * Math.sqrt(Math.max(0, value)));
  return (
    <div>
      <h4>
        A tie <span>rank 2, both kept: drag σ₂ towards σ₁</span>
      </h4>
      <Plot height={SIDE - 50} label="singular directions of a batch under a push">
        {(w) => {
          const height = SIDE - 50;
          const unit = Math.min(w, height) / 5.2;
          const turn = (theta: number) => `translate(${w / 2} ${height / 2}) rotate(${-degrees(theta)})`;
          const cross = (theta: number, first: number, second: number) => (
            <g transform={turn(theta)}>
              <path d={`M${-unit * first} 0H${unit * first}`} stroke="var(--vrrae)" />
              <path d={`M0 ${-unit * second}V${unit * second}`} stroke="var(--ink)" />
            </g>
          );
          const tip = angle + Math.PI / 2;
          const [tx, ty] = [w / 2 + unit * ends[1] * Math.cos(tip), height / 2 - unit * ends[1] * Math.sin(tip)];
          return (
            <>
              <circle class="hairline" cx={w / 2} cy={height / 2} r={unit * LINE} />
              <g stroke-width={1.25} stroke-opacity={0.3}>
                {FAN.map((t) => cross(TURNED + directions(t).angle, LINE, LINE * sigma[1]))}
              </g>
              <g transform={turn(TURNED)}>
                {points.map(([x, y], n) => (
                  <g key={n} transform={`translate(${unit * x} ${-unit * y}) rotate(${-degrees(now.angle)})`}>
                    {n % 3 === 0 && (
                      <ellipse
                        rx={unit * 0.34}
                        ry={unit * 0.1}
                        fill="var(--vrrae)"
                        fill-opacity={0.16}
                        stroke="var(--vrrae)"
                        stroke-opacity={0.6}
                      />
                    )}
                    <circle r={2.5} fill="var(--muted)" />
                  </g>
                ))}
              </g>
              <g stroke-width={2.5}>{cross(angle, ends[0], ends[1])}</g>
              <text
                class="strong halo"
                x={w / 2 + unit * (ends[0] + 0.28) * Math.cos(angle)}
                y={height / 2 - unit * (ends[0] + 0.28) * Math.sin(angle)}
                dy="0.32em"
                text-anchor="middle"
              >
                σ₁
              </text>
              <Handle
                x={tx}
                y={ty}
                label="second singular value"
                words={gap ? `gap ${short(gap)} of the first` : "as large as the first"}
                value={1 - gap}
                min={0.6}
                max={1}
                colour="var(--ink)"
                onDrag={(qx, qy) => {
                  const length = ((qx - w / 2) * Math.cos(tip) - (qy - height / 2) * Math.sin(tip)) / unit / LINE;
                  setGap(1 - length < 0.005 ? Infinity : -10 * Math.log10(limit(1 - length, 0.005, 0.4)) - 4);
                }}
                onKey={(steps) => setGap(steps ? at + steps : 0)}
              />
              <text class="strong halo" x={tx + 12} y={ty} dy="0.32em">
                σ₂
              </text>
            </>
          );
        }}
      </Plot>
      <Slider
        label="push of the batch"
        value={push}
        min={-PUSH}
        max={PUSH}
        step={PUSH / 100}
        words={(v) => `${(100 * v).toFixed(2).replace("-", "−")} %`}
        onInput={onPush}
      />
      <div>
        <span class="large">{degrees(swing).toFixed(1)}°</span> between the directions at −1 % and at +1 %
      </div>
      <p class="caption">
        Thin: the directions at pushes from −1 to 1 %. The points hardly move, and they are all that an RRAE passes on.
        A VRRAE adds noise of its own size along each direction (ellipses), which turns with them.
      </p>
    </div>
  );
}

const RULES = ["exact", "plain autodiff", "kept pairs left out"];
const MODELS = ["vrrae", "rrae"];

interface GradientsProps {
  host: Host;
  gaps: number[];
  at: number;
  setGap: (place: number) => void;
}

function Gradients({ host, gaps, at, setGap }: GradientsProps) {
  const norms = useMemo(() => host.array("_norms", Float32Array)!, [host]);
  const norm = (model: number, rule: number, place: number) => norms[(3 * model + rule) * gaps.length + place];
  const all = Array.from(norms).filter(Number.isFinite);
  const decades = 1 + Math.floor(Math.log10(Math.max(...all)));
  const domain = [1, 10 ** decades];
  const last = gaps.length - 1;
  const height = 186;
  return (
    <div>
      <h4>
        The gradient <span>of a squared error, by three rules: drag the gap</span>
      </h4>
      <Plot height={height} label="norm of the gradient against the gap">
        {(w) => {
          const x = (place: number) => (place === last ? w - 16 : 46 + ((w - 100) * place) / (last - 1));
          const y = scaleLog(domain, [height - 34, 22]);
          const line = (model: number, rule: number) =>
            path(gaps.slice(0, last).map((_, place) => [x(place), y(norm(model, rule, place))]));
          const exponents = Array.from({ length: decades / 2 + 1 }, (_, i) => 2 * i);
          const here = norm(0, 0, at);
          return (
            <>
              <AxisLeft
                scale={y}
                name="norm of the gradient"
                at={42}
                grid={w - 42}
                ticks={exponents.map((e) => 10 ** e)}
                format={(v) => power(Math.round(Math.log10(v)))}
              />
              {[1, 2, 3, 4, 5, 6, 7, 8].map((decade) => (
                <text key={decade} x={x(10 * decade - 4)} y={height - 18} text-anchor="middle">
                  {power(-decade)}
                </text>
              ))}
              <text x={x(last)} y={height - 18} text-anchor="middle">
                0
              </text>
              <text x={(x(0) + x(last)) / 2} y={height - 3} text-anchor="middle">
                gap (σ₁ − σ₂)/σ₁
              </text>
              <line x1={x(at)} x2={x(at)} y1={18} y2={height - 34} stroke="var(--ink)" stroke-opacity={0.5} />
              <path d={line(1, 0)} fill="none" stroke="var(--rrae)" stroke-width={2} />
              <path d={line(0, 2)} fill="none" stroke="var(--vrrae)" stroke-width={2} stroke-dasharray="5 4" />
              <path d={line(0, 0)} fill="none" stroke="var(--vrrae)" stroke-width={2} />
              <text class="halo" x={x(36)} y={y(norm(0, 0, 36)) - 12} text-anchor="end">
                VRRAE: ∝ 1/gap
              </text>
              <text class="halo" x={x(44)} y={y(norm(0, 2, 44)) - 7}>
                VRRAE, kept pairs left out
              </text>
              <text class="halo" x={x(44)} y={y(norm(1, 0, 44)) + 15}>
                RRAE, every rule
              </text>
              {MODELS.map((model, m) => (
                <circle key={model} cx={x(last)} cy={y(norm(m, 0, last))} r={3} fill={`var(--${model})`} />
              ))}
              <text
                x={x(last)}
                y={y(domain[1]) + 12}
                text-anchor="middle"
                class="halo"
                style={{ fill: "var(--alarm)" }}
              >
                NaN
              </text>
              <Handle
                x={x(at)}
                y={y(here)}
                label="gap between the singular values"
                words={gaps[at] ? short(gaps[at]) : "0, a tie"}
                value={-at}
                min={-last}
                max={0}
                colour="var(--vrrae)"
                onDrag={(px) => setGap(px > w - 32 ? last : limit(((px - 46) / (w - 100)) * (last - 1), 0, last - 1))}
                onKey={(steps) => setGap(steps ? at + steps : 0)}
              />
            </>
          );
        }}
      </Plot>
      <div style={{ margin: "6px 0 2px" }}>
        <b>{gaps[at] ? `at a gap of ${short(gaps[at])}` : "at a tie"}</b>
      </div>
      <Plot height={132} label="norms at this gap">
        {(w) => {
          const size = scaleLog(domain, [0, w - 212]);
          return MODELS.flatMap((model, m) =>
            RULES.map((rule, r) => {
              const value = norm(m, r, at);
              const top = 66 * m + 21 * r;
              const lost = Number.isNaN(value);
              return (
                <g key={model + rule} transform={`translate(0 ${top})`}>
                  {r === 0 && (
                    <text class="strong" y={12}>
                      {model.toUpperCase()}
                    </text>
                  )}
                  <text x={50} y={12}>
                    {rule}
                  </text>
                  <rect
                    x={162}
                    y={2}
                    width={lost ? w - 212 : size(value)}
                    height={13}
                    rx={3}
                    fill={lost ? "none" : `var(--${model})`}
                    fill-opacity={r === 2 ? 0.45 : 0.9}
                    stroke={lost ? "var(--alarm)" : "none"}
                    stroke-dasharray="3 3"
                  />
                  <text
                    class="strong"
                    x={lost ? 168 : 167 + size(value)}
                    y={12}
                    style={lost ? { fill: "var(--alarm)" } : {}}
                  >
                    {lost ? "NaN: no gradient at all" : short(value)}
                  </text>
                </g>
              );
            }),
          );
        }}
      </Plot>
      <p class="caption">
        Computed by the library, in float64, for 12 latents of size 8 at rank 3. At a tie itself the exact rule leaves
        that pair out as well; to leave out all kept pairs is bounded but biased.
      </p>
    </div>
  );
}

interface PicturesProps {
  host: Host;
  images: Images;
  rank: number;
  onRank: (rank: number) => void;
}

function Pictures({ host, images, rank, onRank }: PicturesProps) {
  const { count, directions, shape, look } = images;
  const size = shape[0] * shape[1] * shape[2];
  const [shown, coefficients, basis, values] = useMemo(() => {
    const numbers = host.array("_pixels", Float32Array)!;
    const ends = [count * size, count * directions, directions * size, directions];
    return ends.map((length, i) => {
      const from = ends.slice(0, i).reduce((sum, each) => sum + each, 0);
      return numbers.subarray(from, from + length);
    });
  }, [host]);
  const rows = useMemo(() => {
    const cut = Array.from({ length: count }, (_, n) => {
      const pixels = new Float32Array(size);
      for (let j = 0; j < rank; j++) {
        const weight = coefficients[n * directions + j];
        for (let i = 0; i < size; i++) pixels[i] += weight * basis[j * size + i];
      }
      return pixels;
    });
    const originals = cut.map((_, n) => shown.subarray(n * size, (n + 1) * size));
    return [originals, cut, cut.map((pixels, n) => originals[n].map((value, i) => value - pixels[i]))];
  }, [rank]);
  const span = look.limits[1] - look.limits[0];
  const difference: Look = useMemo(() => ({ picture: "difference", limits: [-span / 2, span / 2] }), [span]);
  let energy = 0;
  for (let j = 0; j < rank; j++) energy += values[j] ** 2;
  const share = Math.min(1, energy / images.energy);
  const names = ["images", `rank ${rank}`, "difference"];
  return (
    <div class="columns" style={{ gridTemplateColumns: "minmax(0, 1fr) minmax(0, 2.2fr)" }}>
      <div>
        <h4>
          The same cut on pixels <span>drag the rank</span>
        </h4>
        <Plot height={150} label="singular values of the images">
          {(w) => {
            const x = scaleLinear([0.5, directions + 0.5], [44, w - 8]);
            const least = Math.max(values[directions - 1], values[0] * 1e-4);
            const y = scaleLog([least / 1.5, values[0] * 1.5], [128, 24]);
            const ends = [Math.ceil(Math.log10(least / 1.5)), Math.floor(Math.log10(values[0] * 1.5))];
            const ticks = Array.from({ length: Math.max(1, ends[1] - ends[0] + 1) }, (_, i) => 10 ** (ends[0] + i));
            const cut = x(rank + 0.5);
            return (
              <>
                <AxisLeft scale={y} name="singular value σⱼ" at={40} grid={w - 40} ticks={ticks} />
                {Array.from(values, (value, j) => (
                  <circle
                    key={j}
                    cx={x(j + 1)}
                    cy={y(Math.max(value, least))}
                    r={2.5}
                    fill={j < rank ? "var(--vrrae)" : "var(--faint)"}
                  />
                ))}
                <text x={w - 8} y={146} text-anchor="end">
                  direction j, 1 to {directions}
                  {directions < images.most && ` of ${images.most}`}
                </text>
                <line x1={cut} x2={cut} y1={20} y2={128} stroke="var(--ink)" stroke-width={1.5} />
                <Handle
                  x={cut}
                  y={76}
                  label="rank"
                  words={`rank ${rank} of ${directions}`}
                  value={rank}
                  min={1}
                  max={directions}
                  onDrag={(px) => onRank(limit(Math.round(x.invert(px) - 0.5), 1, directions))}
                  onKey={(steps) => onRank(limit(steps ? rank + steps : 1, 1, directions))}
                />
              </>
            );
          }}
        </Plot>
        <div>
          <span class="large" style={{ color: "var(--vrrae)" }}>
            {percent(share)}
          </span>{" "}
          of the energy at rank {rank}; error {percent(Math.sqrt(1 - share))}
        </div>
      </div>
      <div
        style={{
          display: "grid",
          gridTemplateColumns: `70px repeat(${count}, minmax(0, 72px))`,
          gap: "4px",
          justifyContent: "space-between",
          alignItems: "center",
        }}
      >
        {rows.flatMap((row, r) => [
          <span key={r} class="muted">
            {names[r]}
          </span>,
          ...row.map((pixels, n) => (
            <Image
              key={`${r} ${n}`}
              pixels={pixels}
              shape={shape}
              look={r === 2 ? difference : look}
              label={`${names[r]}, ${n + 1}`}
            />
          )),
        ])}
      </div>
    </div>
  );
}
