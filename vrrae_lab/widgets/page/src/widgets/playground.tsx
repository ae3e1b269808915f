// Two models in training beside each other: lamps that go out, decodes, curves, and every kept frame to scrub through.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Large } from "../parts/Card";
import { apart, type Axis, Chart, type ChartProps, Curve, Dot, Text } from "../parts/chart";
import { Button, Choice, Slider, usePlay } from "../parts/controls";
import { Image, type Look } from "../parts/Image";
import { densities, Lobes } from "../parts/Lobes";
import { centroids } from "../parts/Map";
import type { Row } from "../parts/save";
import { limit, nice, type Pair, type Scale, short } from "../parts/scale";
import { marks as marksOf, Tape, type RaceInfo } from "../parts/tape";
import { alongSteps, Scrub, Timeline } from "../parts/Timeline";
import { still } from "../theme";

const REACH = 3.5;
const MODELS: Record<string, string> = {
  ae: "AE",
  vae: "VAE",
  vae_identity: "VAE with f = I",
  rrae: "RRAE",
  vrrae: "VRRAE",
  rrae_vae: "RRAE + VAE",
};
interface SettingLook {
  label: string;
  limits: Pair;
  step?: number;
  logarithmic?: boolean;
  /** What to try beside a value. */
  other: (value: number) => number;
}

const SETTINGS: Record<string, SettingLook> = {
  beta: { label: "β", limits: [1e-3, 100], logarithmic: true, other: (v) => Math.min(100, 10 * v) },
  learning_rate: { label: "learning rate", limits: [1e-5, 1], logarithmic: true, other: (v) => 3 * v },
  rank: { label: "rank k", limits: [1, 8], step: 1, other: (v) => Math.ceil(v / 2) },
  noise: { label: "noise (× s)", limits: [0, 2], step: 0.05, other: (v) => (v ? 0 : 1) },
};
const NAMES = Object.keys(SETTINGS);

/** What is shown of one model in one frame. */
type Racer = ReturnType<typeof racer>;

function racer(tape: Tape, info: RaceInfo, frame: number, model: number) {
  const read = (name: string) => tape.read(frame, name, model);
  const [error, kl] = read("scores");
  return {
    label: info.names[model],
    family: info.families[model],
    dashed: model === 1 && info.families[0] === info.families[1],
    rank: info.rank,
    settings: read("settings"),
    error,
    kl,
    variational: !Number.isNaN(kl),
    kept: read("kept")[0],
    awake: read("awake"),
    kls: read("kl"),
    deviations: read("deviation"),
    spectrum: read("spectrum"),
    mean: read("mean"),
    pixels: read("pixels"),
  };
}

export function Playground({ host }: { host: Host }) {
  const info = host.trait<RaceInfo>("_race").value;
  const tape = useMemo(() => new Tape(host, () => host.trait<RaceInfo>("_race").peek()), []);
  const drawn = tape.arrived.value;
  const chosen = host.trait<number>("frame");
  const last = tape.length - 1;
  const at = chosen.value < 0 ? last : Math.min(chosen.value, last);
  const show = (frame: number) => (chosen.value = frame >= last ? -1 : frame);
  const steps = useMemo(() => tape.column("step"), [drawn]);
  const marks = useMemo(() => marksOf(tape, info, short), [drawn]);
  const racers = labelled(last < 0 ? [] : [0, 1].map((model) => racer(tape, info, at, model)));
  const classes = useMemo(() => host.array("_labels", Float32Array)!, []);
  const bands = [0, 1].map((model) => ({
    name: info.names[model],
    colour: info.families[model],
    lamps: Array.from({ length: tape.length }, (_, f) => tape.read(f, "awake", model)),
  }));
  const table = () => Array.from({ length: tape.length }, (_, frame) => row(tape, info, frame));
  const steered = host.live && host.get("_presets") !== undefined; // else it is a recording that is played
  const status = steered ? host.trait<string>("status").value : `frame ${at + 1} of ${last + 1}`;
  const curves = { tape, steps, at, racers, show };
  const replay = usePlay(at, last, show, still() ? 500 : limit(8000 / (last + 1), 40, 150));
  const given = Object.entries(steered ? host.get<Record<string, [string, number]>>("_presets") : {});
  const presets = given.length
    ? Object.fromEntries(given.map(([name]) => [name, () => host.send({ do: "try", name })]))
    : undefined;
  const running = given.find(([name]) => name === host.trait<string>("preset").value);
  const told: [string, string] = running ? [running[0], `${running[1][0]} (${running[1][1]} steps)`] : ["", ""];
  return (
    <Card
      {...{ host, table, presets, told }}
      title="Training race"
      about={info.data}
      actions={steered && <Buttons host={host} />}
    >
      {steered ? <Controls host={host} info={info} /> : <Settings racers={racers} />}
      <div class="columns race">
        <Model racer={racers[0]}>
          Filled: the values of a coefficient over the test images. Dashed: the prior. Tick: ± s. A lamp is out where
          the variance of the means is below 0.01; under it, the KL in nats.
        </Model>
        <Decodes {...{ host, info, racers }} />
        <Model racer={racers[1]} />
      </div>
      <div class="columns charts">
        <Curves {...curves} place={0} title="Error of the test images" unit="%" />
        <Curves {...curves} place={1} title="KL divergence" unit="nats" />
        <div class="pair">
          {racers.map((each, i) => (
            <Plane key={i} racer={each} classes={info.classes ? classes : null} />
          ))}
        </div>
        <Spectrum racers={racers} />
      </div>
      <div class="columns timeline">
        <div class="now">
          <Button onClick={replay.toggle} disabled={last < 1} is="▶ replay" />
          <Button
            style={{ visibility: at === last ? "hidden" : "visible" }}
            onClick={() => (chosen.value = -1)}
            is="newest ⇥"
          />
          <div>
            <b>step {last < 0 ? "–" : steps[at].toLocaleString("en")}</b>
            <span class="muted">{status}</span>
          </div>
        </div>
        <div>
          <Timeline {...{ steps, at, bands, marks }} onMove={show} />
        </div>
      </div>
      {!steered && info.words && <div class="foot">{info.words}</div>}
    </Card>
  );
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

/** "VRRAE, β 0.1" where the name alone says too little. */
function labelled(racers: Racer[]): Racer[] {
  return racers.map((each) => {
    const differing = NAMES.flatMap((name, i) =>
      racers[0].settings[i] === racers[1].settings[i]
        ? []
        : [`${name === "rank" ? "k" : SETTINGS[name].label.split(" (")[0]} ${short(each.settings[i])}`],
    );
    return { ...each, label: [each.label.replace(/ 2$/, ""), ...differing].join(", ") };
  });
}

/** A frame's numbers. */
function row(tape: Tape, info: RaceInfo, frame: number): Row {
  const numbers = [0, 1].flatMap((model) => {
    const [error, kl, squared, trained] = tape.read(frame, "scores", model);
    const [beta, rate, rank, noise] = tape.read(frame, "settings", model);
    const awake = sum(tape.read(frame, "awake", model));
    const scores = { "error %": error, "KL nats": kl, "training squared error": squared, "training KL nats": trained };
    return Object.entries({ beta, rate, rank, noise, awake, ...scores }).map(([name, value]) => {
      return [`${info.names[model]} ${name}`, Number.isNaN(value) ? "" : Number(value.toPrecision(6))];
    });
  });
  return { step: tape.read(frame, "step")[0], ...Object.fromEntries(numbers) };
}

function Buttons({ host }: { host: Host }) {
  const running = host.trait<boolean>("running");
  const train = () => {
    host.trait<number>("frame").value = -1;
    running.value = !running.value;
  };
  return (
    <>
      <Button
        style="min-width:86px"
        onClick={train}
        aria-pressed={running.value}
        is={running.value ? "❚❚ pause" : "▶ train"}
      />
      <Button onClick={() => host.send({ do: "step" })} title="one update of both models" is="one step" />
      <Button onClick={() => host.send({ do: "reset" })} title="back to the same start; the settings stay" is="reset" />
    </>
  );
}

function Controls({ host, info }: { host: Host; info: RaceInfo }) {
  const pair = host.trait<string[]>("pair");
  const changed = host.trait<Record<string, number>>("changed");
  const seed = host.trait<number>("seed");
  const speed = host.trait<number>("speed");
  const [left, right] = pair.value;
  const other: string | undefined = Object.keys(changed.value)[0];
  const slider = (name: string, value: number, onInput: (value: number) => void, more = "") => {
    const { other: _, ...looks } = SETTINGS[name];
    const label = looks.label + more;
    const limits: Pair = name === "rank" ? [1, info.rank] : looks.limits;
    return <Slider key={label} {...{ ...looks, label, limits, value, onInput }} />;
  };
  const chooseLeft = (first: string) => (pair.value = [first, other ? first : first === right ? left : right]);
  const chooseRight = (second: string) => {
    const name = second.replace("same ", "");
    changed.value = second in MODELS ? {} : { [name]: SETTINGS[name].other(host.trait<number>(name).peek()) };
    pair.value = [left, second in MODELS ? second : left];
  };
  const models = Object.entries(MODELS);
  const sames = NAMES.map((name): [string, string] => {
    return [`same ${name}`, `same, new ${SETTINGS[name].label.replace(/ (\(× s\)|k)$/, "")}`];
  });
  const others = models.map(([name, words]): [string, string, boolean] => [name, words, name === left]);
  const setSeed = (text: string) => (seed.value = Math.max(0, Math.floor(Number(text) || 0)));
  const setOther = (value: number) => (changed.value = { [other!]: value });
  return (
    <div class="controls">
      {NAMES.map((name) => {
        const trait = host.trait<number>(name);
        return slider(name, trait.value, (value) => (trait.value = value));
      })}
      {other && slider(other, changed.value[other], setOther, ", right")}
      <Slider
        label="steps per frame"
        limits={[1, 20]}
        step={1}
        value={speed.value}
        onInput={(v) => (speed.value = v)}
      />
      <label class="named">
        left
        <Choice label="left" value={left} choices={models} onChoose={chooseLeft} />
      </label>
      <label class="named">
        right
        <Choice
          label="right"
          value={other ? `same ${other}` : right}
          choices={[...others, ...sames]}
          onChoose={chooseRight}
        />
      </label>
      <label class="named">
        seed
        <input
          type="number"
          min={0}
          value={seed.value}
          data-lm-suppress-shortcuts="true"
          onChange={(event) => setSeed(event.currentTarget.value)}
        />
      </label>
    </div>
  );
}

/** Of a recording: what was set at this frame. */
const Settings = ({ racers }: { racers: Racer[] }) => (
  <div class="controls">
    {NAMES.map((name, i) => (
      <span key={name}>
        {SETTINGS[name].label} <b>{[...new Set(racers.map((each) => short(each.settings[i])))].join(" and ")}</b>
      </span>
    ))}
  </div>
);

function Model({ racer, children }: { racer: Racer | undefined; children?: ComponentChildren }) {
  if (!racer) return <div />;
  const { mean, rank, kls, awake, variational, family } = racer;
  const most = variational ? REACH : 1.1 * Math.max(1e-6, ...mean.map(Math.abs));
  const curves = densities(mean, rank, most);
  // beside a prior a lobe has its area; without one, the height of its place
  const scale = variational ? 1 : 1 / Math.max(...curves.flatMap((curve) => Array.from(curve)));
  const lobes = curves.map((density, j) => ({
    number: j + 1,
    density: density.map((value) => value * scale),
    middle: 0,
    spread: 1,
    awake: awake[j] > 0,
    kl: variational ? kls[j] : undefined,
  }));
  const deviations = variational ? racer.deviations : null;
  return (
    <div>
      <div class="figures">
        <b style={{ color: `var(--${family})` }}>{racer.label}</b>
        <span>
          <Large is={`${sum(awake)} / ${rank}`} /> awake
        </span>
        <span>
          <Large is={`${racer.error.toFixed(0)}\u00a0%`} /> error
        </span>
        <span>
          <Large is={variational ? racer.kl.toFixed(1) : "–"} /> nats
        </span>
      </div>
      <Lobes {...{ lobes, family, deviations }} height={264} reach={most} prior={variational} />
      <p class="caption">{children}</p>
    </div>
  );
}

function Decodes({ host, info, racers }: { host: Host; info: RaceInfo; racers: Racer[] }) {
  const { shape, names, families, shown } = info;
  const images = useMemo(() => host.array("_images", Uint8Array)!, []);
  const picture = shape[2] === 3 ? "photo" : /bumps/.test(info.data) ? "map" : "ink";
  const look = useMemo((): Look => ({ picture, limits: [0, 255] }), [picture]);
  const size = shape[0] * shape[1] * shape[2];
  const columns = [
    { all: racers[0]?.pixels, name: names[0], of: ` as decoded by the ${names[0]}`, tone: families[0] },
    { all: images, name: "image", of: "", tone: "muted" },
    { all: racers[1]?.pixels, name: names[1], of: ` as decoded by the ${names[1]}`, tone: families[1] },
  ];
  return (
    <div class="decodes">
      {columns.map(({ all, name, of, tone }) => (
        <div key={name}>
          <b style={{ color: `var(--${tone})` }}>{name.replace(/ .*/, "")}</b>
          {Array.from({ length: shown }, (_, i) => {
            const pixels = all?.subarray(i * size, (i + 1) * size) ?? null;
            return <Image key={i} {...{ pixels, shape, look }} label={`test image ${i + 1}${of}`} />;
          })}
        </div>
      ))}
    </div>
  );
}

const HEIGHT = 120;
const [TOP, BOTTOM] = [10, HEIGHT - 32];

type Run = { tape: Tape; steps: number[]; at: number; racers: Racer[]; show: (frame: number) => void };

/** One of the scores, by its place. */
function Curves({ place, title, unit, ...run }: Run & { place: number; title: string; unit: string }) {
  const { tape, steps, at, racers, show } = run;
  const parts = racers.map((each, model) => ({ ...each, values: tape.column("scores", model, place) }));
  const all = parts.flatMap(({ values }) => values).filter((value) => value > 0);
  const log = place === 1;
  const [low, high] = [Math.min(log ? 0.1 : 100, ...all), Math.max(log ? 10 : 50, ...all)];
  const up: Axis = { domain: log ? tens(low, high) : nice(0.8 * low, Math.min(110, high), 4), log, grid: true };
  const across: Axis = { name: "step", domain: alongSteps(steps, [0, 1]).domain(), ticks: 4 };
  const longest = Math.max(...parts.map(({ label }) => label.length), 4);
  const ended = parts.filter(({ values }) => values.at(-1)! > 0);
  return (
    <Small title={title} unit={unit} x={across} y={up} right={10 + 7 * longest}>
      {(x, y) => {
        const places = steps.map((step) => x(step));
        const spread = apart(
          ended.map(({ values }) => y(values.at(-1)!)),
          13,
          TOP,
          BOTTOM,
        );
        const right = x.range()[1];
        return (
          <>
            {parts.map(({ values, family, dashed }, model) => (
              <Curve key={model} d={line(places, values, y)} tone={family} width={1.8} dash={dashed ? "5 3" : ""} />
            ))}
            {ended.map(({ label, family }, i) => (
              <Text key={i} x={right + 6} y={spread[i]} class="bold level" tone={family} is={label} />
            ))}
            {at >= 0 && <Curve d={`M${places[at]} ${TOP}V${BOTTOM}`} opacity={0.5} />}
            {parts.map(
              ({ values, family }, i) =>
                values[at] > 0 && <Dot key={i} x={places[at]} y={y(values[at])} r={3.5} tone={family} />,
            )}
            <Scrub {...{ places, x: 36, y: TOP, width: right - 36, height: BOTTOM - TOP }} onMove={show} />
          </>
        );
      }}
    </Small>
  );
}

type SmallProps = Pick<ChartProps, "x" | "y" | "children"> & { title: string; unit?: string; tone?: string } & {
  /** Room beside and left of the plane. */
  right: number;
  left?: number;
};

/** A chart of a race. */
const Small = ({ title, unit, tone = "ink", right, left = 36, ...chart }: SmallProps) => (
  <div>
    <h4 style={{ color: `var(--${tone})` }}>
      {title} <span>{unit}</span>
    </h4>
    <Chart height={HEIGHT} label={`${title}, ${unit}`} least={120} edge={[TOP, right, 32, left]} {...chart} />
  </div>
);

/** Powers of ten around both. */
const tens = (low: number, high: number): Pair => [
  10 ** Math.floor(Math.log10(Math.max(1e-3, low))),
  10 ** Math.ceil(Math.log10(high)),
];

/** A line through what can be drawn: what is not above 0 is left out of a logarithmic axis, what is higher stays below. */
function line(x: number[], values: ArrayLike<number>, y: Scale): string {
  const places = x.map((px, i): Pair => [px, limit(y(values[i]), TOP, BOTTOM)]).filter(([, py]) => Number.isFinite(py));
  return places.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
}

/** The test images in the two coefficients that spread most. */
function Plane({ racer, classes }: { racer: Racer; classes: Float32Array | null }) {
  const { mean, rank, family, label } = racer;
  const count = mean.length / rank;
  const column = (j: number) => Array.from({ length: count }, (_, i) => mean[i * rank + j]);
  const spread = Array.from({ length: rank }, (_, j) => {
    const all = column(j);
    return sum(all.map((v) => v * v)) / count - (sum(all) / count) ** 2;
  });
  const widest = spread.map((_, j) => j).sort((i, j) => spread[j] - spread[i]);
  const [a, b] = widest.slice(0, 2).sort((i, j) => i - j);
  const most = Math.max(racer.variational ? REACH : 1e-6, ...mean.map(Math.abs));
  const groups = Int32Array.from(classes ?? new Float32Array(count));
  const axis: Axis = { domain: [-most, most], ticks: 4 };
  const across = { ...axis, name: `coefficient ${a + 1}` };
  return (
    <Small title={label} tone={family} x={across} y={{ ...axis, grid: true }} right={4} left={26}>
      {(x, y, width) => {
        const screen = new Float32Array(2 * count);
        for (let i = 0; i < count; i++) screen.set([x(mean[i * rank + a]), y(mean[i * rank + b])], 2 * i);
        const dots = (group: number) =>
          Array.from(groups, (g, i) => (g === group ? `M${screen[2 * i]} ${screen[2 * i + 1]}h0` : "")).join("");
        const tone = (group: number) => (classes ? `class-${group % 10}` : family);
        const middles = classes ? centroids(groups, 10, screen, width, 12) : [];
        return (
          <g stroke-linecap="round">
            {[...new Set(groups)].map((group) => (
              <Curve key={group} d={dots(group)} tone={tone(group)} width={4.5} opacity={0.75} />
            ))}
            {middles.map(
              (at, c) => at && <Text x={at[0]} y={at[1]} class="bold halo level middle" tone={tone(c)} is={c} />,
            )}
            <Text x={26} y={TOP + 2} is={`coefficient ${b + 1}`} />
          </g>
        );
      }}
    </Small>
  );
}

/** Singular values of both models; what an SVD cuts off is grey. */
function Spectrum({ racers }: { racers: Racer[] }) {
  const all = racers.flatMap(({ spectrum }) => Array.from(spectrum)).filter((value) => value > 1e-4);
  const most = Math.max(8, racers[0]?.spectrum.length ?? 16, ...racers.map((r) => r.spectrum.findIndex(Number.isNaN)));
  const up: Axis = { domain: tens(Math.min(0.1, ...all), Math.max(1, ...all)), log: true, grid: true };
  const across: Axis = {
    name: "direction j",
    domain: [1, most],
    ticks: most > 16 ? [1, 8, 16, 24, 32] : [1, 4, 8, 12, 16],
  };
  return (
    <Small title="Spectrum" unit="σⱼ ⁄ √N" x={across} y={up} right={6}>
      {(x, y) =>
        racers.map(({ spectrum, family, kept, dashed }, model) => {
          const seen = Array.from(spectrum).filter((value) => value >= y.domain()[0]);
          const places = seen.map((_, i) => x(i + 1));
          return (
            <g key={model}>
              <Curve d={line(places.slice(0, kept), seen, y)} tone={family} dash={dashed ? "4 3" : ""} />
              {seen.map((value, i) => {
                const looks = { tone: i < kept ? family : "faint", title: `${i + 1}: ${short(value)}` };
                return <Dot key={i} x={places[i]} y={y(value)} r={2.5} {...looks} />;
              })}
            </g>
          );
        })
      }
    </Small>
  );
}
