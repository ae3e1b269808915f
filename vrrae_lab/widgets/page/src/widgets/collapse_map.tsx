// β × learning rate × model: in which share of the runs a coefficient was lost, and the runs of a cell.
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { saveTable } from "../parts/save";
import { Plot } from "../parts/Plot";
import { short } from "../parts/Slider";

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
  const open = (b: number, r: number) => {
    beta.value = b;
    rate.value = r;
  };
  const runs = grid.runs.filter((run) => run.beta === beta.value && run.rate === rate.value);
  const below = grid.betas.filter((b) => b < grid.thresholds.at(-1)!);
  const above = grid.betas.filter((b) => b > grid.thresholds[0]);
  const middle = grid.rates[Math.floor(grid.rates.length / 2)];
  const choices: Record<string, () => void> = {
    [grid.models.length > 1 ? "where two models differ most" : "the first cell"]: () => open(...grid.start),
  };
  if (below.length) choices["the last β below the line"] = () => open(below.at(-1)!, middle);
  if (above.length) choices["beyond it"] = () => open(above[0], middle);
  const save = () =>
    saveTable(
      grid.runs.map(({ awake, rate: learning_rate, ...run }) => ({
        ...run,
        learning_rate,
        active: awake ? awake.filter(Boolean).length : "diverged",
      })),
      "collapse map",
      host.get<string>("_source"),
    );
  return (
    <Card
      host={host}
      title="Who collapses?"
      about={grid.about}
      actions={
        <button title="Save all runs as a table (CSV)" onClick={save}>
          CSV
        </button>
      }
    >
      <div class="columns" style={{ gridTemplateColumns: `repeat(${grid.models.length}, minmax(0, 1fr))` }}>
        {grid.models.map((model) => {
          const all = grid.runs.filter((run) => run.model === model && run.beta < grid.thresholds.at(-1)!);
          return (
            <div key={model}>
              <h4>
                <b style={{ color: `var(--${family(model)})` }}>{model}</b>{" "}
                <span>
                  {all.filter(lost).length} of {all.length} runs left of the line lost a coefficient
                </span>
              </h4>
              <Plot
                height={TOP + CELL * grid.rates.length + BELOW}
                label={`runs of the ${model} with a lost coefficient`}
              >
                {(w) => <Map {...{ w, grid, model, beta: beta.value, rate: rate.value, open }} />}
              </Plot>
            </div>
          );
        })}
      </div>
      <div class="foot">
        <span>
          The runs at <b>β = {plain(beta.value)}</b>, learning rate <b>{plain(rate.value)}</b>: a lamp for each
          coefficient, lit where it is awake; error on test images; KL divergence
        </span>
      </div>
      <div class="columns" style={{ gridTemplateColumns: `repeat(${grid.models.length}, minmax(0, 1fr))` }}>
        {grid.models.map((model) => (
          <div key={model}>
            <h4 style={{ color: `var(--${family(model)})` }}>{model}</h4>
            <Runs model={model} runs={runs.filter((run) => run.model === model)} all={grid.runs} />
          </div>
        ))}
      </div>
      <Presets choices={choices} />
    </Card>
  );
}

const cell = (grid: Grid, model: string, beta: number, rate: number) =>
  grid.runs.filter((run) => run.model === model && run.beta === beta && run.rate === rate && run.awake);
const shareOf = (runs: Run[]) => (runs.length ? runs.filter(lost).length / runs.length : NaN);

interface MapProps {
  w: number;
  grid: Grid;
  model: string;
  beta: number;
  rate: number;
  open: (beta: number, rate: number) => void;
}

function Map({ w, grid, model, beta, rate, open }: MapProps) {
  const { betas, rates } = grid;
  const step = (w - LEFT) / betas.length;
  const bottom = TOP + CELL * rates.length;
  const x = (i: number) => LEFT + step * (i + 0.5);
  /** Where a β lies among the cells, in proportion to logarithms. */
  const where = (b: number) => {
    const i = Math.min(betas.length - 2, Math.max(0, betas.findIndex((next) => next > b) - 1));
    return betas.length < 2 ? -1 : i + Math.log(b / betas[i]) / Math.log(betas[i + 1] / betas[i]);
  };
  const lines = [...new Set(grid.thresholds.map((t) => Number(where(t).toFixed(2))))].filter(
    (at) => at > -0.5 && at < betas.length - 0.5,
  );
  const move = (db: number, dr: number) => {
    const [i, j] = [betas.indexOf(beta) + db, rates.indexOf(rate) + dr];
    if (betas[i] !== undefined && rates[j] !== undefined) open(betas[i], rates[j]);
  };
  const keys: Record<string, [number, number]> = {
    ArrowRight: [1, 0],
    ArrowLeft: [-1, 0],
    ArrowUp: [0, 1],
    ArrowDown: [0, -1],
  };
  return (
    <g
      role="grid"
      tabindex={0}
      class="grid"
      aria-label={`${model}: arrows choose β and the learning rate`}
      data-lm-suppress-shortcuts="true"
      onKeyDown={(event) => {
        if (!(event.key in keys)) return;
        event.preventDefault();
        event.stopPropagation();
        move(...keys[event.key]);
      }}
    >
      <text x={0} y={10}>
        learning rate
      </text>
      {rates.map((r, j) => (
        <text key={r} x={LEFT - 8} y={bottom - CELL * (j + 0.5)} dy="0.32em" text-anchor="end">
          {plain(r)}
        </text>
      ))}
      {betas.map((b, i) => (
        <text key={b} x={x(i)} y={bottom + 16} text-anchor="middle">
          {plain(b)}
        </text>
      ))}
      <text x={(LEFT + w) / 2} y={bottom + 34} text-anchor="middle">
        β, for a loss per sample in nats
      </text>
      {rates.map((r, j) =>
        betas.map((b, i) => {
          const found = cell(grid, model, b, r);
          const share = shareOf(found);
          const words = found.length ? `${found.filter(lost).length} ⁄ ${found.length}` : "–";
          const here = b === beta && r === rate;
          return (
            <g
              key={`${b} ${r}`}
              role="gridcell"
              aria-selected={here}
              aria-label={`β ${short(b)}, rate ${plain(r)}: ${words} lost a coefficient`}
              class="choice"
              onClick={() => open(b, r)}
            >
              <rect
                x={LEFT + step * i + 1.5}
                y={bottom - CELL * (j + 1) + 1.5}
                width={Math.max(0, step - 3)}
                height={CELL - 3}
                rx={6}
                fill={`color-mix(in oklab, var(--${family(model)}) ${Math.round(85 * (share || 0))}%, var(--wash))`}
                stroke={here ? "var(--ink)" : "none"}
                stroke-width={2}
              />
              <text
                x={x(i)}
                y={bottom - CELL * (j + 0.5)}
                dy="0.35em"
                text-anchor="middle"
                class="strong"
                style={share > 0.55 ? { fill: "var(--paper)" } : undefined}
              >
                {words}
              </text>
            </g>
          );
        }),
      )}
      {lines.map((at, i) => (
        <line
          key={at}
          x1={x(at)}
          x2={x(at)}
          y1={TOP - 8}
          y2={bottom + 4}
          stroke="var(--ink)"
          stroke-width={1.5}
          stroke-dasharray={i ? "2 3" : "5 3"}
          pointer-events="none"
        />
      ))}
      {lines.length > 0 && (
        <text
          class="halo"
          x={x(Math.max(...lines))}
          y={TOP - 13}
          text-anchor={x(Math.max(...lines)) > w * 0.6 ? "end" : "start"}
        >
          beyond{" "}
          {lines.length > 1 ? "these a linear model loses the last and the first" : "this a linear model loses every"}{" "}
          coefficient
        </text>
      )}
    </g>
  );
}

/** One row a seed: lamps, test error as a bar with its number, KL divergence. */
function Runs({ model, runs, all }: { model: string; runs: Run[]; all: Run[] }) {
  const most = Math.max(...all.map((run) => run.error || 0));
  const tone = `var(--${family(model)})`;
  return (
    <Plot height={20 + 24 * Math.max(1, runs.length)} label={`runs of the ${model}`}>
      {(w) => {
        const rank = Math.max(1, ...runs.map((run) => run.awake?.length ?? 0));
        const bar = LEFT + Math.min(110, 15 * rank) + 12;
        const room = Math.max(20, w - bar - 118);
        return (
          <>
            <text x={0} y={10}>
              seed
            </text>
            <text x={LEFT} y={10}>
              awake
            </text>
            <text x={bar} y={10}>
              error (%)
            </text>
            <text x={w} y={10} text-anchor="end">
              KL (nats)
            </text>
            {runs.map((run, row) => (
              <g key={run.seed} transform={`translate(0 ${20 + 24 * row})`}>
                <text x={12} y={14}>
                  {run.seed}
                </text>
                {run.awake ? (
                  <>
                    {run.awake.map((on, j) => (
                      <circle
                        key={j}
                        cx={LEFT + 6 + (j * Math.min(110, 15 * rank)) / rank}
                        cy={10}
                        r={Math.min(5, 44 / rank)}
                        fill={on ? "var(--awake)" : "none"}
                        stroke={on ? "var(--awake)" : "var(--faint)"}
                        stroke-width={1.5}
                      />
                    ))}
                    <rect
                      x={bar}
                      y={3}
                      width={(room * run.error) / most}
                      height={14}
                      rx={3}
                      fill={tone}
                      fill-opacity={lost(run) ? 0.35 : 0.9}
                    />
                    <text class="strong" x={bar + (room * run.error) / most + 6} y={14}>
                      {run.error.toFixed(1)}
                    </text>
                    <text x={w} y={14} text-anchor="end">
                      {run.kl.toFixed(1)}
                    </text>
                  </>
                ) : (
                  <text x={LEFT} y={14}>
                    diverged
                  </text>
                )}
              </g>
            ))}
          </>
        );
      }}
    </Plot>
  );
}
