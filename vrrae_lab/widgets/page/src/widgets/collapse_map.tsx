// β × learning rate × model: in which share of the runs a coefficient was lost, and the runs of a cell.
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Part } from "../parts/Card";
import { Bar, Curve, Lamp, Plot, Text } from "../parts/chart";
import { keySteps } from "../parts/handle";
import { limit, short } from "../parts/scale";

interface Run {
  model: string;
  beta: number;
  rate: number;
  seed: number;
  /** Which coefficients are active; null for a run that diverged. */
  awake: boolean[] | null;
  /** Test error in percent, KL divergence in nats. */
  error: number;
  kl: number;
}

interface Grid {
  models: string[];
  betas: number[];
  rates: number[];
  /** β beyond which a linear model loses each coefficient, the largest first. */
  thresholds: number[];
  about: string;
  /** β and rate of the cell that is open at first. */
  start: [number, number];
  runs: Run[];
}

const [LEFT, TOP, BELOW, CELL] = [52, 46, 40, 52];
const plain = (value: number) => String(Number(value.toPrecision(3)));
const family = (model: string) => model.split(/[ ,(]/)[0].toLowerCase();
const lost = (run: Run) => run.awake !== null && !run.awake.every(Boolean);

export function CollapseMap({ host }: { host: Host }) {
  const grid = useMemo(() => host.get<Grid>("_grid"), []);
  const beta = host.trait<number>("beta");
  const rate = host.trait<number>("learning_rate");
  const open = (b: number, r: number) => void ([beta.value, rate.value] = [b, r]);
  const first = grid.thresholds.at(-1)!;
  const below = grid.betas.filter((b) => b < first);
  const above = grid.betas.filter((b) => b > grid.thresholds[0]);
  const middle = grid.rates[Math.floor(grid.rates.length / 2)];
  const presets: Record<string, () => void> = {
    [grid.models.length > 1 ? "where the models differ most" : "the first cell"]: () => open(...grid.start),
    ...(below.length && { "the last β below the line": () => open(below.at(-1)!, middle) }),
    ...(above.length && { "the first β beyond it": () => open(above[0], middle) }),
  };
  const table = () =>
    grid.runs.map(({ awake, rate: learning_rate, ...run }) => {
      return { ...run, learning_rate, active: awake ? awake.filter(Boolean).length : "diverged" };
    });
  const columns = { gridTemplateColumns: `repeat(${grid.models.length}, minmax(0, 1fr))` };
  return (
    <Card {...{ host, presets, table }} title="Who collapses?" about={grid.about}>
      <div class="columns" style={columns}>
        {grid.models.map((model) => {
          const all = grid.runs.filter((run) => run.model === model && run.beta < first);
          const hint = `${all.filter(lost).length} of ${all.length} runs left of the line lost a coefficient`;
          return (
            <Part key={model} title={<b style={{ color: `var(--${family(model)})` }}>{model}</b>} hint={hint}>
              <Map {...{ grid, model, open }} beta={beta.value} rate={rate.value} />
            </Part>
          );
        })}
      </div>
      <div class="foot">
        <span>
          The runs at <b>β = {plain(beta.value)}</b>, learning rate <b>{plain(rate.value)}</b>: a lamp for each
          coefficient, lit where it is awake; error on test images; KL divergence
        </span>
      </div>
      <div class="columns" style={columns}>
        {grid.models.map((model) => (
          <div key={model}>
            <h4 style={{ color: `var(--${family(model)})` }}>{model}</h4>
            <Runs model={model} grid={grid} here={(run) => run.beta === beta.value && run.rate === rate.value} />
          </div>
        ))}
      </div>
    </Card>
  );
}

interface MapProps {
  grid: Grid;
  model: string;
  beta: number;
  rate: number;
  open: (beta: number, rate: number) => void;
}

function Map({ grid, model, beta, rate, open }: MapProps) {
  const { betas, rates } = grid;
  const bottom = TOP + CELL * rates.length;
  /** Where a β lies among the cells, in proportion to logarithms. */
  const where = (b: number) => {
    const i = limit(betas.findIndex((next) => next > b) - 1, 0, betas.length - 2);
    return betas.length < 2 ? -1 : i + Math.log(b / betas[i]) / Math.log(betas[i + 1] / betas[i]);
  };
  const all = [...new Set(grid.thresholds.map((t) => Number(where(t).toFixed(2))))];
  const lines = all.filter((at) => at > -0.5 && at < betas.length - 0.5);
  const last = Math.max(...lines);
  const beyond =
    lines.length > 1 ? "these a linear model loses the last and the first" : "this a linear model loses every";
  const onKeyDown = (event: KeyboardEvent) => {
    const [steps, across] = keySteps(event) ?? [0, false];
    const [i, j] = [betas.indexOf(beta) + (across ? steps : 0), rates.indexOf(rate) + (across ? 0 : steps)];
    if (betas[i] !== undefined && rates[j] !== undefined) open(betas[i], rates[j]);
  };
  const cell = (b: number, r: number, x: number, y: number, step: number) => {
    const runs = grid.runs.filter((run) => run.model === model && run.beta === b && run.rate === r && run.awake);
    const share = runs.length && runs.filter(lost).length / runs.length;
    const words = runs.length ? `${runs.filter(lost).length} ⁄ ${runs.length}` : "–";
    const here = b === beta && r === rate;
    return (
      <g
        key={`${b} ${r}`}
        role="gridcell"
        aria-selected={here}
        aria-label={`β ${short(b)}, rate ${plain(r)}: ${words} lost a coefficient`}
        class="choice cell"
        onClick={() => open(b, r)}
      >
        <rect
          x={x - step / 2 + 1.5}
          y={y - CELL / 2 + 1.5}
          width={Math.max(0, step - 3)}
          height={CELL - 3}
          rx={6}
          fill={`color-mix(in oklab, var(--${family(model)}) ${Math.round(85 * share)}%, var(--wash))`}
        />
        <Text x={x} y={y} class="strong middle level" tone={share > 0.55 ? "paper" : undefined} is={words} />
      </g>
    );
  };
  return (
    <Plot height={bottom + BELOW} label={`runs of the ${model} with a lost coefficient`}>
      {(w) => {
        const step = (w - LEFT) / betas.length;
        const x = (i: number) => LEFT + step * (i + 0.5);
        const y = (j: number) => bottom - CELL * (j + 0.5);
        return (
          <g
            role="grid"
            tabindex={0}
            aria-label={`${model}: arrows choose β and the learning rate`}
            data-lm-suppress-shortcuts="true"
            onKeyDown={onKeyDown}
          >
            <Text x={0} y={10} is="learning rate" />
            {rates.map((r, j) => (
              <Text key={r} x={LEFT - 8} y={y(j)} class="end level" is={plain(r)} />
            ))}
            {betas.map((b, i) => (
              <Text key={b} x={x(i)} y={bottom + 16} class="middle" is={plain(b)} />
            ))}
            <Text x={(LEFT + w) / 2} y={bottom + 34} class="middle" is="β, for a loss per sample in nats" />
            {rates.flatMap((r, j) => betas.map((b, i) => cell(b, r, x(i), y(j), step)))}
            {lines.map((at, i) => (
              <Curve key={at} d={`M${x(at)} ${TOP - 8}V${bottom + 4}`} width={1.5} dash={i ? "2 3" : "5 3"} />
            ))}
            {lines.length > 0 && (
              <Text
                x={x(last)}
                y={TOP - 13}
                class={x(last) > w * 0.6 ? "halo end" : "halo"}
                is={`beyond ${beyond} coefficient`}
              />
            )}
          </g>
        );
      }}
    </Plot>
  );
}

/** One row a seed: lamps, test error as a bar with its number, KL divergence. */
function Runs({ model, grid, here }: { model: string; grid: Grid; here: (run: Run) => boolean }) {
  const runs = grid.runs.filter((run) => run.model === model && here(run));
  const most = Math.max(...grid.runs.map((run) => run.error || 0));
  const rank = Math.max(1, ...runs.map((run) => run.awake?.length ?? 0));
  const lamps = Math.min(110, 15 * rank);
  const bar = LEFT + lamps + 12;
  return (
    <Plot height={20 + 24 * Math.max(1, runs.length)} label={`runs of the ${model}`}>
      {(w) => {
        const room = Math.max(20, w - bar - 118) / most;
        return (
          <>
            <Text x={0} y={10} is="seed" />
            <Text x={LEFT} y={10} is="awake" />
            <Text x={bar} y={10} is="error (%)" />
            <Text x={w} y={10} class="end" is="KL (nats)" />
            {runs.map((run, row) => {
              const long = room * run.error;
              const looks = { tone: family(model), opacity: lost(run) ? 0.35 : 0.9 };
              return (
                <g key={run.seed} transform={`translate(0 ${20 + 24 * row})`}>
                  <Text x={12} y={14} is={run.seed} />
                  {!run.awake && <Text x={LEFT} y={14} is="diverged" />}
                  {run.awake?.map((on, j) => (
                    <Lamp key={j} x={LEFT + 6 + (j * lamps) / rank} y={10} r={Math.min(5, 44 / rank)} on={on} />
                  ))}
                  {run.awake && <Bar {...looks} x={bar} y={3} width={long} height={14} rx={3} />}
                  {run.awake && <Text x={bar + long + 6} y={14} class="strong" is={run.error.toFixed(1)} />}
                  {run.awake && <Text x={w} y={14} class="end" is={run.kl.toFixed(1)} />}
                </g>
              );
            })}
          </>
        );
      }}
    </Plot>
  );
}
