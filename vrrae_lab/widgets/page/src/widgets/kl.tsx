// A Gaussian dragged against N(0, 1): what the divergence pays for, and a batch whose squared means add up to σ².
import type { Signal } from "@preact/signals";
import type { Host } from "../host";
import { Card, Columns, Large, Part } from "../parts/Card";
import { AxisBelow, AxisLeft, band, Bar, Curve, Dot, Plot, Text } from "../parts/chart";
import { Handle, slide } from "../parts/handle";
import { limit, type Pair, scaleLinear } from "../parts/scale";

const REACH: Pair = [-3, 3];
const DEVIATIONS: Pair = [0.05, 2.5];
const GRID = Array.from({ length: 241 }, (_, i) => -4 + i / 30);
const gauss = (x: number, mean = 0, s = 1) => Math.exp(-0.5 * ((x - mean) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));

export function KL({ host }: { host: Host }) {
  const mean = host.trait<number>("mean");
  const deviation = host.trait<number>("standard_deviation");
  const means = host.trait<number[]>("means");
  const [mu, s] = [mean.value, deviation.value];
  const place = mu ** 2 / 2;
  const width = (s ** 2 - 1 - 2 * Math.log(s)) / 2;
  const square = means.value.reduce((sum, m) => sum + m * m, 0);
  const choose = (m: number, d: number) => () => void ([mean.value, deviation.value] = [m, d]);
  const presets = {
    "say nothing": choose(0, 1),
    "say it surely": choose(1.5, 0.2),
    "sure of zero": choose(0, 0.15),
    "wider than the prior": choose(0, 2),
  };
  return (
    <Card
      {...{ host, presets }}
      title="What the KL divergence pays for"
      about="one coefficient, N(μ, s²) against the prior N(0, 1)"
      reset={() => host.reset("mean", "standard_deviation", "means")}
    >
      <Columns widths="3 2">
        <Part title="The posterior of one image" hint="drag its top and its side">
          <Posterior mean={mean} deviation={deviation} />
          <div>
            <Large tone="kl" is={(place + width).toFixed(2)} /> nats = <b>{place.toFixed(2)}</b> for where it lies, ½
            μ², plus <b>{width.toFixed(2)}</b> for how sure it is, ½ (s² − 1 − log s²)
          </div>
          <p class="caption">
            Filled: the posterior. Dashed: the prior. Violet: what each place adds to the divergence or, below the line,
            takes off it.
          </p>
        </Part>
        <Part title={`A batch of ${means.value.length}`} hint="drag a mean">
          <Batch means={means} />
          <div>
            <Large is={square.toFixed(2)} /> = μ₁² + … + μ<sub>N</sub>² = σ², the squared singular value
          </div>
          <p class="caption">
            The SVD of a batch makes these means, so what they cost together, ½ σ² nats, is weight decay on the singular
            value (VRRAE, Eq. 7). How much one image pays depends on its own μ.
          </p>
        </Part>
      </Columns>
    </Card>
  );
}

function Posterior({ mean, deviation }: { mean: Signal<number>; deviation: Signal<number> }) {
  const [mu, s] = [mean.value, deviation.value];
  const integrand = GRID.map((g) => {
    const q = gauss(g, mu, s);
    return q > 0 ? q * (-0.5 * ((g - mu) / s) ** 2 - Math.log(s) + 0.5 * g * g) : 0;
  });
  const most = Math.max(0.3, ...integrand.map(Math.abs));
  const y = scaleLinear([0, Math.max(0.45, gauss(0, 0, s))], [168, 30]);
  const low = scaleLinear([-most, most], [264, 196]);
  return (
    <Plot height={300} label="posterior and prior">
      {(w) => {
        const x = scaleLinear([-4, 4], [8, w - 8]);
        const line = (heights: number[]) => GRID.map((g, i): Pair => [x(g), heights[i]]);
        const down = (zero: number): Pair[] => [-4, 4].map((end) => [x(end), zero]);
        const posterior = line(GRID.map((g) => y(gauss(g, mu, s))));
        const [top, side] = [0, s].map((away) => ({ x: x(mu + away), y: y(gauss(away, 0, s)) }));
        const [words, spread] = [`μ = ${mu.toFixed(2)}`, `s = ${s.toFixed(2)}`];
        const left = mu > 2.2;
        const setMean = slide(x, mu, REACH, 0.05, 0, (v) => (mean.value = v));
        const setDeviation = slide(x, s, DEVIATIONS, 0.02, 1, (v) => (deviation.value = v));
        const drag = (px: number) => setDeviation.onDrag(x(Math.abs(x.invert(px) - mu)), 0);
        return (
          <>
            <Curve d={band(posterior, down(y(0)))} tone="vrrae" fill={0.25} width={1.5} />
            <Curve d={line(GRID.map((g) => y(gauss(g))))} tone="muted" dash="3 3" />
            <Curve d={band(line(integrand.map(low)), down(low(0)))} tone="kl" fill={0.4} />
            <path class="hairline" d={`M8 ${low(0)}H${w - 8}`} />
            <Text x={8} y={22} is="density" />
            <Text x={8} y={194} is="divergence, place by place" tone="kl" />
            <AxisBelow scale={x} name="value of the coefficient z" at={268} />
            <Handle {...top} {...setMean} label="mean" words={words} tone="vrrae" />
            <Handle {...side} {...setDeviation} onDrag={drag} label="standard deviation" words={spread}>
              <Dot class="ring" r={6} tone="paper" rim="vrrae" width={2.5} />
            </Handle>
            <Text x={top.x + (left ? -12 : 12)} y={top.y - 6} class={`strong halo ${left ? "end" : ""}`} is={words} />
            <Text x={side.x + 12} y={side.y + 4} class="strong halo" is={spread} />
          </>
        );
      }}
    </Plot>
  );
}

function Batch({ means }: { means: Signal<number[]> }) {
  const all = means.value;
  const y = scaleLinear(REACH, [262, 26]);
  return (
    <Plot height={300} label="means of a batch">
      {(w) => {
        const x = scaleLinear([0, all.length], [34, w - 4]);
        return (
          <>
            <AxisLeft scale={y} name="mean μ" at={34} grid={w - 38} ticks={6} />
            <Text x={w / 2} y={297} class="middle" is="image of the batch; each square has the area μ²" />
            {all.map((m, b) => {
              const centre = x(b + 0.5);
              const side = Math.abs(y(m) - y(0));
              const corner = limit(centre - side / 2, x(0), Math.max(x(0), x(all.length) - side)); // inside the plot
              const set = (value: number) => (means.value = all.map((v, i) => (i === b ? value : v)));
              const move = slide(y, m, REACH, 0.1, 0, set);
              const words = { label: `mean of image ${b + 1}`, words: `μ = ${m.toFixed(2)}` };
              return (
                <g key={b}>
                  <Bar x={corner} y={Math.min(y(m), y(0))} width={side} height={side} opacity={0.22} />
                  <Text x={centre} y={278} class="middle" is={b + 1} />
                  <Handle x={centre} y={y(m)} {...words} {...move} tone="vrrae" radius={6} />
                </g>
              );
            })}
            <Curve d={`M34 ${y(0)}H${w - 4}`} tone="faint" />
          </>
        );
      }}
    </Plot>
  );
}
