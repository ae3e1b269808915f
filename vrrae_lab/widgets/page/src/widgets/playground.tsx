// Two models in training beside each other: lamps that go out, decodes, curves, and every kept frame to scrub through.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Host } from "../host";
import { Card } from "../parts/Card";
import { Image, type Look } from "../parts/Image";
import { densities, Lobes } from "../parts/Lobes";
import { apart, AxisBelow, AxisLeft, Plot } from "../parts/Plot";
import { nice, scaleLinear, scaleLog } from "../parts/scale";
import { short, Slider } from "../parts/Slider";
import { saveTable } from "../parts/save";
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
/** Of a setting: its name, its limits, whether equal ways are equal factors, and what to try beside a value. */
const SETTINGS = {
  beta: { label: "β", min: 1e-3, max: 100, logarithmic: true, other: (v: number) => Math.min(100, 10 * v) },
  learning_rate: { label: "learning rate", min: 1e-5, max: 1, logarithmic: true, other: (v: number) => 3 * v },
  rank: { label: "rank k", min: 1, max: 8, step: 1, other: (v: number) => Math.ceil(v / 2) },
  noise: { label: "noise × s", min: 0, max: 2, step: 0.05, other: (v: number) => (v ? 0 : 1) },
};
type Setting = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Setting[];

/** What is shown of one model in one frame. */
interface Racer {
  label: string;
  colour: string;
  dashed: boolean;
  rank: number;
  settings: Float32Array;
  error: number;
  kl: number;
  kept: number;
  awake: Float32Array;
  kls: Float32Array;
  deviations: Float32Array;
  spectrum: Float32Array;
  mean: Float32Array;
  pixels: Float32Array;
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
  const racers = last < 0 ? null : [0, 1].map((model) => racer(tape, info, at, model));
  const labels = racers ? labelled(racers) : info.names;
  racers?.forEach((each, i) => (each.label = labels[i]));
  const images = useMemo(() => host.array("_images", Uint8Array)!, []);
  const classes = useMemo(() => host.array("_labels", Float32Array)!, []);
  const look: Look = {
    picture: info.shape[2] === 3 ? "photo" : /bumps/.test(info.data) ? "map" : "ink",
    limits: [0, 255],
  };
  const save = () => saveTable(table(tape, info), "training race", host.get<string>("_source"));
  const bands = [0, 1].map((model) => ({
    name: info.names[model],
    colour: info.families[model],
    lamps: Array.from({ length: tape.length }, (_, f) => tape.read(f, "awake", model)),
  }));
  return (
    <Card
      host={host}
      title="Training race"
      about={info.data}
      actions={
        <>
          {host.live && <Buttons host={host} />}
          <button class="save" onClick={save} title="Save every frame's numbers as CSV">
            CSV
          </button>
        </>
      }
    >
      {host.live ? <Controls host={host} info={info} /> : racers && <Settings racers={racers} />}
      <div class="columns race">
        {racers ? (
          <Model racer={racers[0]} info={info}>
            Filled: what a coefficient says of the test images. Dashed: the prior. Tick: ± s. A lamp is out where the
            variance of the means is below 0.01; under it, the KL in nats.
          </Model>
        ) : (
          <div />
        )}
        <Decodes {...{ info, images, look, racers }} />
        {racers ? <Model racer={racers[1]} info={info} /> : <div />}
      </div>
      <div class="columns charts">
        <Curves {...{ tape, steps, at, racers, show }} place={0} title="Error of the test images" unit="%" />
        <Curves {...{ tape, steps, at, racers, show }} place={1} title="KL divergence" unit="nats" />
        <div class="pair">
          {racers?.map((each, i) => (
            <Plane key={i} racer={each} classes={info.classes ? classes : null} />
          ))}
        </div>
        <Spectrum racers={racers} />
      </div>
      <div class="columns timeline">
        <div class="now">
          <Replay {...{ at, last, show }} />
          <button style={{ visibility: chosen.value < 0 ? "hidden" : "visible" }} onClick={() => (chosen.value = -1)}>
            newest ⇥
          </button>
          <div>
            <b>step {racers ? steps[at].toLocaleString("en") : "–"}</b>
            <span class="muted">
              {host.live ? host.trait<string>("status").value : `frame ${at + 1} of ${last + 1}`}
            </span>
          </div>
        </div>
        <div>
          <Timeline {...{ steps, at, bands, marks }} onMove={show} />
        </div>
      </div>
      {host.live ? <Try host={host} /> : info.words && <div class="foot">{info.words}</div>}
    </Card>
  );
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

function racer(tape: Tape, info: RaceInfo, frame: number, model: number): Racer {
  const read = (name: string) => tape.read(frame, name, model);
  const [error, kl] = read("scores");
  return {
    label: info.names[model],
    colour: `var(--${info.families[model]})`,
    dashed: model === 1 && info.families[0] === info.families[1],
    rank: info.rank,
    settings: read("settings"),
    error,
    kl,
    kept: read("kept")[0],
    awake: read("awake"),
    kls: read("kl"),
    deviations: read("deviation"),
    spectrum: read("spectrum"),
    mean: read("mean"),
    pixels: read("pixels"),
  };
}

/** "VRRAE, β 0.1" where the name alone says too little. */
function labelled(racers: Racer[]): string[] {
  return racers.map((each) => {
    const differing = NAMES.flatMap((name, i) =>
      racers[0].settings[i] === racers[1].settings[i]
        ? []
        : [`${name === "rank" ? "k" : SETTINGS[name].label.split(" ×")[0]} ${short(each.settings[i])}`],
    );
    return [each.label.replace(/ 2$/, ""), ...differing].join(", ");
  });
}

function table(tape: Tape, info: RaceInfo): Record<string, string | number>[] {
  return Array.from({ length: tape.length }, (_, frame) => {
    const row: Record<string, string | number> = { step: tape.read(frame, "step")[0] };
    [0, 1].forEach((model) => {
      const [error, kl, squared, trained] = tape.read(frame, "scores", model);
      const [beta, rate, rank, noise] = tape.read(frame, "settings", model);
      const awake = sum(tape.read(frame, "awake", model));
      const all = { beta, rate, rank, noise, awake, "error %": error, "KL nats": kl };
      Object.entries({ ...all, "training squared error": squared, "training KL nats": trained }).forEach(
        ([name, value]) =>
          (row[`${info.names[model]} ${name}`] = Number.isNaN(value) ? "" : Number(value.toPrecision(6))),
      );
    });
    return row;
  });
}

function Buttons({ host }: { host: Host }) {
  const running = host.trait<boolean>("running");
  const frame = host.trait<number>("frame");
  const train = () => {
    frame.value = -1;
    running.value = !running.value;
  };
  return (
    <>
      <button class="main" onClick={train} aria-pressed={running.value}>
        {running.value ? "❚❚ pause" : "▶ train"}
      </button>
      <button onClick={() => host.send({ do: "step" })} title="one update of both models">
        one step
      </button>
      <button onClick={() => host.send({ do: "reset" })} title="back to the same start; the settings stay">
        reset
      </button>
    </>
  );
}

function Controls({ host, info }: { host: Host; info: RaceInfo }) {
  const pair = host.trait<string[]>("pair");
  const changed = host.trait<Record<string, number>>("changed");
  const seed = host.trait<number>("seed");
  const speed = host.trait<number>("speed");
  const other = Object.keys(changed.value)[0] as Setting | undefined;
  const slider = (name: Setting, value: number, onInput: (value: number) => void, label: string) => {
    const { other: _, ...looks } = SETTINGS[name];
    return (
      <Slider key={label} {...looks} max={name === "rank" ? info.rank : looks.max} {...{ label, value, onInput }} />
    );
  };
  const choose = (second: string) => {
    const name = second.replace("same ", "") as Setting;
    if (second in MODELS) {
      changed.value = {};
      pair.value = [pair.value[0], second];
    } else {
      changed.value = { [name]: SETTINGS[name].other(host.trait<number>(name).peek()) };
      pair.value = [pair.value[0], pair.value[0]];
    }
  };
  return (
    <div class="controls">
      {NAMES.map((name) => {
        const trait = host.trait<number>(name);
        return slider(name, trait.value, (value) => (trait.value = value), SETTINGS[name].label);
      })}
      {other &&
        slider(
          other,
          changed.value[other],
          (value) => (changed.value = { ...changed.value, [other]: value }),
          `${SETTINGS[other].label}, right`,
        )}
      <Slider label="steps a frame" min={1} max={20} step={1} value={speed.value} onInput={(v) => (speed.value = v)} />
      <label class="field">
        left
        <select
          value={pair.value[0]}
          onChange={(event) => {
            const first = event.currentTarget.value;
            pair.value = [first, other || pair.value[1] === first ? (other ? first : pair.value[0]) : pair.value[1]];
          }}
        >
          {Object.entries(MODELS).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        right
        <select value={other ? `same ${other}` : pair.value[1]} onChange={(event) => choose(event.currentTarget.value)}>
          {Object.entries(MODELS).map(([name, words]) => (
            <option key={name} value={name} disabled={name === pair.value[0]}>
              {words}
            </option>
          ))}
          {NAMES.map((name) => (
            <option key={name} value={`same ${name}`}>
              same, another {SETTINGS[name].label.replace(/ (× s|k)$/, "")}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        seed
        <input
          type="number"
          min={0}
          value={seed.value}
          data-lm-suppress-shortcuts="true"
          onChange={(event) => (seed.value = Math.max(0, Math.floor(Number(event.currentTarget.value) || 0)))}
        />
      </label>
    </div>
  );
}

/** Of a recording: what was set at this frame. */
function Settings({ racers }: { racers: Racer[] }) {
  return (
    <div class="controls">
      {NAMES.map((name, i) => {
        const values = racers.map((each) => short(each.settings[i]));
        return (
          <span key={name}>
            {SETTINGS[name].label} <b>{values[0] === values[1] ? values[0] : values.join(" and ")}</b>
          </span>
        );
      })}
    </div>
  );
}

function Model({ racer, info, children }: { racer: Racer; info: RaceInfo; children?: ComponentChildren }) {
  const { mean, rank, kls, awake } = racer;
  const variational = !Number.isNaN(racer.kl);
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
  return (
    <div>
      <div class="figures">
        <b style={{ color: racer.colour }}>{racer.label}</b>
        <span>
          <span class="large">
            {sum(awake)} / {rank}
          </span>{" "}
          awake
        </span>
        <span>
          <span class="large">{racer.error.toFixed(0)} %</span> error
        </span>
        <span>
          <span class="large">{variational ? racer.kl.toFixed(1) : "–"}</span> nats
        </span>
      </div>
      <Lobes
        lobes={lobes}
        family={info.families[info.names.indexOf(racer.label)] ?? racer.colour.slice(6, -1)}
        deviations={variational ? racer.deviations : null}
        height={264}
        reach={most}
        prior={variational}
      />
      <p class="caption">{children}</p>
    </div>
  );
}

interface DecodesProps {
  info: RaceInfo;
  images: Uint8Array;
  look: Look;
  racers: Racer[] | null;
}

function Decodes({ info, images, look, racers }: DecodesProps) {
  const size = info.shape[0] * info.shape[1] * info.shape[2];
  const part = (all: ArrayLike<number> | undefined, i: number) =>
    all ? (all as Float32Array).subarray(i * size, (i + 1) * size) : null;
  const columns = [racers?.[0].pixels, images, racers?.[1].pixels];
  const heads = [info.names[0].replace(/ .*/, ""), "image", info.names[1].replace(/ .*/, "")];
  return (
    <div class="decodes">
      {columns.map((all, c) => (
        <div key={c}>
          <span style={c === 1 ? {} : { color: `var(--${info.families[c / 2]})`, fontWeight: 600 }}>{heads[c]}</span>
          {Array.from({ length: info.shown }, (_, i) => (
            <Image
              key={i}
              pixels={part(all, i)}
              shape={info.shape}
              look={look}
              label={c === 1 ? `test image ${i + 1}` : `test image ${i + 1} as decoded by the ${info.names[c / 2]}`}
            />
          ))}
        </div>
      ))}
    </div>
  );
}

interface CurvesProps {
  tape: Tape;
  steps: number[];
  at: number;
  racers: Racer[] | null;
  /** Of the scores. */
  place: number;
  title: string;
  unit: string;
  show: (frame: number) => void;
}

const HEIGHT = 120;
const [TOP, BOTTOM] = [10, HEIGHT - 32];

function Curves({ tape, steps, at, racers, place, title, unit, show }: CurvesProps) {
  const parts = (racers ?? []).map((each, model) => ({ ...each, values: tape.column("scores", model, place) }));
  const all = parts.flatMap(({ values }) => values).filter((value) => value > 0);
  const y =
    place === 1
      ? scaleLog(tens(Math.min(0.1, ...all), Math.max(10, ...all)), [BOTTOM, TOP])
      : scaleLinear(nice(0.8 * Math.min(100, ...all), Math.min(110, Math.max(50, ...all)), 4), [BOTTOM, TOP]);
  return (
    <div>
      <h4>
        {title} <span>{unit}</span>
      </h4>
      <Plot height={HEIGHT} label={`${title}, ${unit}`}>
        {(width) => {
          const longest = Math.max(...parts.map(({ label }) => label.length), 4);
          const right = width - Math.min(width / 3, 10 + 7 * longest);
          const x = alongSteps(steps, [36, right]);
          const places = steps.map((step) => x(step));
          const ends = parts.filter(({ values }) => values.at(-1)! > 0).map(({ values }) => y(values.at(-1)!));
          const spread = apart(ends, 13, TOP, BOTTOM);
          return (
            <>
              <AxisLeft scale={y} name="" at={36} grid={right - 36} />
              <AxisBelow scale={x} name="step" at={BOTTOM} ticks={4} />
              {parts.map(({ values, colour, dashed }, model) => (
                <path
                  key={model}
                  d={path(places, values, y)}
                  fill="none"
                  stroke={colour}
                  stroke-width={1.8}
                  stroke-dasharray={dashed ? "5 3" : undefined}
                  stroke-linejoin="round"
                />
              ))}
              {parts
                .filter(({ values }) => values.at(-1)! > 0)
                .map(({ label, colour }, i) => (
                  <text key={i} x={right + 6} y={spread[i]} dy="0.32em" style={{ fill: colour, fontWeight: 600 }}>
                    {label}
                  </text>
                ))}
              {at >= 0 && (
                <g pointer-events="none">
                  <line x1={places[at]} x2={places[at]} y1={TOP} y2={BOTTOM} stroke="var(--ink)" stroke-opacity={0.5} />
                  {parts.map(
                    ({ values, colour }, i) =>
                      values[at] > 0 && <circle key={i} cx={places[at]} cy={y(values[at])} r={3.5} fill={colour} />,
                  )}
                </g>
              )}
              <Scrub steps={places} left={36} top={TOP} width={right - 36} height={BOTTOM - TOP} onMove={show} />
            </>
          );
        }}
      </Plot>
    </div>
  );
}

/** Powers of ten around both. */
const tens = (low: number, high: number) =>
  [Math.floor(Math.log10(Math.max(1e-3, low))), Math.ceil(Math.log10(high))].map((power) => 10 ** power);

/** A line through what can be drawn: what is not above 0 is left out of a logarithmic axis, what is higher stays below. */
function path(x: number[], values: ArrayLike<number>, y: (value: number) => number): string {
  let drawn = "";
  for (let i = 0; i < x.length; i++) {
    const place = Math.min(BOTTOM, Math.max(TOP, y(values[i])));
    if (Number.isFinite(place)) drawn += `${drawn ? "L" : "M"}${x[i].toFixed(1)} ${place.toFixed(1)}`;
  }
  return drawn;
}

/** The test images in the two coefficients that spread most. */
function Plane({ racer, classes }: { racer: Racer; classes: Float32Array | null }) {
  const { mean, rank, colour } = racer;
  const count = mean.length / rank;
  const spread = Array.from({ length: rank }, (_, j) => {
    let [total, squares] = [0, 0];
    for (let i = 0; i < count; i++) {
      total += mean[i * rank + j];
      squares += mean[i * rank + j] ** 2;
    }
    return squares / count - (total / count) ** 2;
  });
  const [a, b] = spread
    .map((_, j) => j)
    .sort((i, j) => spread[j] - spread[i])
    .slice(0, 2)
    .sort((i, j) => i - j);
  const variational = !Number.isNaN(racer.kl);
  const most = Math.max(variational ? REACH : 1e-6, ...mean.map(Math.abs));
  const groups = new Map<number, number[]>();
  for (let i = 0; i < count; i++) {
    const group = classes ? classes[i] : -1;
    groups.set(group, [...(groups.get(group) ?? []), i]);
  }
  return (
    <div>
      <h4 style={{ color: colour }}>{racer.label}</h4>
      <Plot height={HEIGHT} label={`${racer.label}: test images in two coefficients`} least={120}>
        {(width) => {
          const x = scaleLinear([-most, most], [22, width - 4]);
          const y = scaleLinear([-most, most], [BOTTOM, TOP - 6]);
          return (
            <>
              <AxisBelow scale={x} name={`coefficient ${a + 1}`} at={BOTTOM} ticks={4} />
              <AxisLeft scale={y} name="" at={22} grid={width - 26} ticks={4} />
              {[...groups].map(([group, members]) => (
                <path
                  key={group}
                  d={members
                    .map((i) => `M${x(mean[i * rank + a]).toFixed(1)} ${y(mean[i * rank + b]).toFixed(1)}h0`)
                    .join("")}
                  stroke={group < 0 ? colour : `var(--class-${group % 10})`}
                  stroke-width={4.5}
                  stroke-linecap="round"
                  stroke-opacity={0.75}
                />
              ))}
              {[...groups].map(([group, members]) => {
                const mean = (j: number) =>
                  members.reduce((sum, i) => sum + racer.mean[i * rank + j], 0) / members.length;
                return (
                  group >= 0 && (
                    <text
                      key={group}
                      class="halo"
                      x={x(mean(a))}
                      y={y(mean(b))}
                      dy="0.32em"
                      text-anchor="middle"
                      style={{ fill: `var(--class-${group % 10})`, fontWeight: 700 }}
                    >
                      {group}
                    </text>
                  )
                );
              })}
              <text x={26} y={TOP + 2}>
                coefficient {b + 1}
              </text>
            </>
          );
        }}
      </Plot>
    </div>
  );
}

/** Singular values of both models; what an SVD cuts off is grey. */
function Spectrum({ racers }: { racers: Racer[] | null }) {
  const all = (racers ?? []).flatMap(({ spectrum }) => Array.from(spectrum)).filter((value) => value > 1e-4);
  const most = Math.max(8, ...(racers ?? []).map(({ spectrum }) => spectrum.findIndex(Number.isNaN)));
  const y = scaleLog(tens(Math.min(0.1, ...all), Math.max(1, ...all)), [BOTTOM, TOP]);
  return (
    <div>
      <h4>
        Spectrum <span>singular values ⁄ √n</span>
      </h4>
      <Plot height={HEIGHT} label="spectrum" least={160}>
        {(width) => {
          const x = scaleLinear([1, Math.max(most, racers?.[0].spectrum.length ?? 16)], [36, width - 6]);
          return (
            <>
              <AxisLeft scale={y} name="" at={36} grid={width - 42} />
              <AxisBelow
                scale={x}
                name="number"
                at={BOTTOM}
                ticks={[1, 4, 8, 12, 16, 24, 32].filter((n) => n <= x.domain()[1])}
              />
              {racers?.map(({ spectrum, colour, kept, dashed }, model) => {
                const seen = Array.from(spectrum).filter((value) => value >= y.domain()[0]);
                const places = seen.map((_, i) => x(i + 1));
                return (
                  <g key={model}>
                    <path
                      d={path(places.slice(0, kept), seen, y)}
                      fill="none"
                      stroke={colour}
                      stroke-dasharray={dashed ? "4 3" : undefined}
                    />
                    {seen.map((value, i) => (
                      <circle key={i} cx={places[i]} cy={y(value)} r={2.5} fill={i < kept ? colour : "var(--faint)"}>
                        <title>{`${i + 1}: ${short(value)}`}</title>
                      </circle>
                    ))}
                  </g>
                );
              })}
            </>
          );
        }}
      </Plot>
    </div>
  );
}

/** Plays the frames one after the other. */
function Replay({ at, last, show }: { at: number; last: number; show: (frame: number) => void }) {
  const timer = useRef(0);
  const stop = () => {
    clearInterval(timer.current);
    timer.current = 0;
  };
  useEffect(() => stop, []);
  const now = useRef({ at, last, show });
  now.current = { at, last, show };
  const play = () => {
    if (timer.current) return stop();
    let frame = at >= last ? 0 : at;
    show(frame);
    const pause = still() ? 500 : Math.max(40, Math.min(150, 8000 / (last + 1)));
    timer.current = window.setInterval(() => {
      frame++;
      now.current.show(frame);
      if (frame >= now.current.last) stop();
    }, pause);
  };
  return (
    <button onClick={play} disabled={last < 1}>
      ▶ replay
    </button>
  );
}

function Try({ host }: { host: Host }) {
  const preset = host.trait<string>("preset").value;
  const presets = host.get<Record<string, [string, number]>>("_presets");
  if (!Object.keys(presets).length) return null;
  const [words, steps] = presets[preset] ?? ["", 0];
  return (
    <div class="foot try">
      <span>Try this:</span>
      {Object.keys(presets).map((name) => (
        <button key={name} aria-pressed={name === preset} onClick={() => host.send({ do: "try", name })}>
          {name}
        </button>
      ))}
      <p>{words ? `${words} (${steps} steps)` : ""}</p>
    </div>
  );
}
