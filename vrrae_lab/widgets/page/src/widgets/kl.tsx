// A Gaussian dragged against N(0, 1): what the divergence pays for, and a batch whose squared means add up to σ².
import { scaleLinear } from "../parts/scale";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { Handle } from "../parts/handle";
import { band, path } from "../parts/path";
import { AxisBelow, AxisLeft, Plot } from "../parts/Plot";

const REACH = 3;
const [LEAST, MOST] = [0.05, 2.5];
const GRID = Array.from({ length: 241 }, (_, i) => -4 + i / 30);
const gauss = (x: number, mean = 0, s = 1) => Math.exp(-0.5 * ((x - mean) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
const limit = (value: number, low: number, high: number) => Number(Math.min(high, Math.max(low, value)).toFixed(4));

export function KL({ host }: { host: Host }) {
  const mean = host.trait<number>("mean");
  const deviation = host.trait<number>("standard_deviation");
  const means = host.trait<number[]>("means");
  const [mu, s] = [mean.value, deviation.value];
  const place = mu ** 2 / 2;
  const width = (s ** 2 - 1 - 2 * Math.log(s)) / 2;
  const square = means.value.reduce((sum, m) => sum + m * m, 0);
  const choose = (m: number, d: number) => () => {
    mean.value = m;
    deviation.value = d;
  };
  return (
    <Card
      host={host}
      title="What the KL divergence pays for"
      about="one coefficient, N(μ, s²) against the prior N(0, 1)"
    >
      <div class="columns" style={{ gridTemplateColumns: "minmax(0, 3fr) minmax(0, 2fr)" }}>
        <div>
          <h4>
            The posterior of one image <span>drag its top and its side</span>
          </h4>
          <Plot height={300} label="posterior and prior">
            {(w) => (
              <Posterior
                {...{ w, mu, s }}
                onMean={(v) => (mean.value = v)}
                onDeviation={(v) => (deviation.value = v)}
              />
            )}
          </Plot>
          <div>
            <span class="large" style={{ color: "var(--kl)" }}>
              {(place + width).toFixed(2)}
            </span>{" "}
            nats = <b>{place.toFixed(2)}</b> for where it lies, ½ μ², + <b>{width.toFixed(2)}</b> for how sure it is, ½
            (s² − 1 − log s²)
          </div>
          <p class="caption">
            Filled: the posterior. Dashed: the prior. Violet: what each place adds to the divergence; below the line it
            takes away.
          </p>
        </div>
        <div>
          <h4>
            A batch of {means.value.length} <span>drag a mean</span>
          </h4>
          <Plot height={300} label="means of a batch">
            {(w) => <Batch w={w} means={means.value} onMove={(all) => (means.value = all)} />}
          </Plot>
          <div>
            <span class="large">{square.toFixed(2)}</span> = μ₁² + … + μ<sub>N</sub>² = σ², the squared singular value
          </div>
          <p class="caption">
            The SVD of a batch makes these means, so what they cost together, ½ σ² nats, is weight decay on the singular
            value (Eq. 7). How much one image pays depends on its own μ.
          </p>
        </div>
      </div>
      <Presets
        choices={{
          "say nothing": choose(0, 1),
          "say it surely": choose(1.5, 0.2),
          "sure of zero": choose(0, 0.15),
          "wider than the prior": choose(0, 2),
        }}
        onReset={() => host.reset("mean", "standard_deviation", "means")}
      />
    </Card>
  );
}

interface PosteriorProps {
  w: number;
  mu: number;
  s: number;
  onMean: (value: number) => void;
  onDeviation: (value: number) => void;
}

function Posterior({ w, mu, s, onMean, onDeviation }: PosteriorProps) {
  const x = scaleLinear([-4, 4], [8, w - 8]);
  const top = Math.max(0.45, gauss(0, 0, s));
  const y = scaleLinear([0, top], [168, 30]);
  const integrand = GRID.map((g) => {
    const q = gauss(g, mu, s);
    return q > 0 ? q * (-0.5 * ((g - mu) / s) ** 2 - Math.log(s) + 0.5 * g * g) : 0;
  });
  const most = Math.max(0.3, ...integrand.map(Math.abs));
  const low = scaleLinear([-most, most], [264, 196]);
  const curve = (f: (i: number) => number, zero: number) =>
    band(
      GRID.map((g, i) => [x(g), f(i)]),
      [
        [x(-4), zero],
        [x(4), zero],
      ],
    );
  const outline = path(GRID.map((g) => [x(g), y(gauss(g))]));
  const side = mu + s;
  return (
    <>
      <path
        d={curve((i) => y(gauss(GRID[i], mu, s)), y(0))}
        fill="var(--vrrae)"
        fill-opacity={0.25}
        stroke="var(--vrrae)"
        stroke-width={1.5}
      />
      <path d={outline} fill="none" stroke="var(--muted)" stroke-dasharray="3 3" />
      <path d={curve((i) => low(integrand[i]), low(0))} fill="var(--kl)" fill-opacity={0.4} stroke="var(--kl)" />
      <line class="hairline" x1={8} x2={w - 8} y1={low(0)} y2={low(0)} />
      <AxisBelow scale={x} name="value of the coefficient z" at={268} />
      <Handle
        x={x(mu)}
        y={y(gauss(mu, mu, s))}
        label="mean"
        words={`μ = ${mu.toFixed(2)}`}
        value={mu}
        min={-REACH}
        max={REACH}
        colour="var(--vrrae)"
        onDrag={(px) => onMean(limit(x.invert(px), -REACH, REACH))}
        onKey={(steps) => onMean(steps ? limit(mu + 0.05 * steps, -REACH, REACH) : 0)}
      />
      <Handle
        x={x(side)}
        y={y(gauss(side, mu, s))}
        label="standard deviation"
        words={`s = ${s.toFixed(2)}`}
        value={s}
        min={LEAST}
        max={MOST}
        onDrag={(px) => onDeviation(limit(Math.abs(x.invert(px) - mu), LEAST, MOST))}
        onKey={(steps) => onDeviation(steps ? limit(s + 0.02 * steps, LEAST, MOST) : 1)}
      >
        <circle class="ring" r={6} fill="var(--paper)" stroke="var(--vrrae)" stroke-width={2.5} />
      </Handle>
      <text
        class="strong halo"
        x={x(mu) + (mu > 2.2 ? -12 : 12)}
        y={y(gauss(mu, mu, s)) - 6}
        text-anchor={mu > 2.2 ? "end" : "start"}
      >
        μ = {mu.toFixed(2)}
      </text>
      <text class="strong halo" x={x(side) + 12} y={y(gauss(side, mu, s)) + 4}>
        s = {s.toFixed(2)}
      </text>
    </>
  );
}

function Batch({ w, means, onMove }: { w: number; means: number[]; onMove: (means: number[]) => void }) {
  const x = scaleLinear([0, means.length], [34, w - 4]);
  const y = scaleLinear([-REACH, REACH], [262, 26]);
  const set = (b: number, value: number) => onMove(means.map((m, i) => (i === b ? limit(value, -REACH, REACH) : m)));
  return (
    <>
      <AxisLeft scale={y} name="mean μ" at={34} grid={w - 38} />
      <text x={w / 2} y={297} text-anchor="middle">
        image b of the batch; the area of a square is μ²
      </text>
      {means.map((m, b) => {
        const centre = x(b + 0.5);
        const side = Math.abs(y(m) - y(0));
        const corner = limit(centre - side / 2, x(0), Math.max(x(0), x(means.length) - side)); // inside the plot
        return (
          <g key={b}>
            <rect
              x={corner}
              y={Math.min(y(m), y(0))}
              width={side}
              height={side}
              fill="var(--vrrae)"
              fill-opacity={0.22}
            />
            <Handle
              x={centre}
              y={y(m)}
              label={`mean of image ${b + 1}`}
              words={`μ = ${m.toFixed(2)}`}
              value={m}
              min={-REACH}
              max={REACH}
              colour="var(--vrrae)"
              radius={6}
              onDrag={(_, py) => set(b, y.invert(py))}
              onKey={(steps) => set(b, steps ? m + 0.1 * steps : 0)}
            />
          </g>
        );
      })}
      <line x1={34} x2={w - 4} y1={y(0)} y2={y(0)} stroke="var(--faint)" />
    </>
  );
}
