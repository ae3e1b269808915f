// One linked lab: what the decoder draws, its coefficients and spectrum, and a map of two of them.
import { useComputed, useSignal, type Signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { readPicture } from "../explore/file";
import { Lab, type Mode, type Part } from "../explore/lab";
import type { Host } from "../host";
import { Card, Failure, Presets } from "../parts/Card";
import { Equation, type Stage } from "../parts/Equation";
import { Image, type Look } from "../parts/Image";
import { densities, Lobes, type Lobe } from "../parts/Lobes";
import { Map } from "../parts/Map";
import { Pad } from "../parts/Pad";
import { saveTable } from "../parts/save";
import { Slider } from "../parts/Slider";
import { Spectrum } from "../parts/Spectrum";
import { Strip } from "../parts/Strip";

const PAGE = 16; // lobes
const REACH = 4;
const THUMBNAILS = 14;
const MODES: [Mode, string][] = [
  ["posterior", "The coefficients of an image: its posterior mean"],
  ["prior", "Samples of N(0, I)"],
  ["mixture", "Samples of a Gaussian mixture fitted to the posterior means"],
  ["kernel density", "Samples of Gaussian kernels on the posterior means"],
];

export function Explore({ host }: { host: Host }) {
  const [lab, problem] = useState(() => {
    try {
      return [new Lab(host), ""] as const;
    } catch (error) {
      return [null, (error as Error).message] as const;
    }
  })[0];
  useEffect(() => () => lab?.close(), [lab]);
  return lab ? <Whole lab={lab} /> : <Failure>{problem}</Failure>;
}

function Whole({ lab }: { lab: Lab }) {
  const { data, parts, host } = lab;
  const over = useSignal(false);
  const open = async (file: File | undefined) => {
    if (!file) return;
    try {
      const { x, note } = await readPicture(file, data);
      lab.sheet.value++;
      lab.take(x);
      lab.say(note);
    } catch (error) {
      lab.say((error as Error).message);
    }
  };
  const two = parts.length > 1;
  const names = parts.map((part) => `${part.name}, ${part.size} coefficients`).join(" and ");
  const slow = parts.some((part) => part.runner.slow);
  return (
    <Card host={host} title="Latent lab" about={`${names} · ${data.name}`} actions={<Actions lab={lab} />}>
      <Way lab={lab} />
      <div
        class="columns lab"
        style={{ gridTemplateColumns: `minmax(230px, ${two ? 34 : 26}fr) minmax(0, 50fr) minmax(290px, 40fr)` }}
        data-over={over.value}
        onDragOver={(event) => {
          event.preventDefault();
          over.value = true;
        }}
        onDragLeave={() => (over.value = false)}
        onDrop={(event) => {
          event.preventDefault();
          over.value = false;
          void open(event.dataTransfer?.files[0]);
        }}
      >
        <div class="sight">
          <Seen lab={lab} />
          <Source lab={lab} open={open} />
        </div>
        <Coefficients lab={lab} />
        <Plane lab={lab} />
      </div>
      <Try lab={lab} />
      {slow && <div class="foot">This browser has no WebAssembly SIMD, so pictures follow more slowly.</div>}
    </Card>
  );
}

function Actions({ lab }: { lab: Lab }) {
  const part = lab.parts[lab.hand.value];
  const gaussian = part.deviations !== null;
  const save = () => {
    const rows = lab.parts.flatMap((each) => {
      const posterior = each.posterior.value;
      return each.z.value.map((value, j) => ({
        model: each.name,
        coefficient: j + 1,
        value,
        decoded: each.sent.order.indexOf(j) < each.rank.value ? "yes" : "no",
        "mean of the image's posterior": posterior?.mean[j] ?? "",
        "its standard deviation": posterior?.deviation?.[j] ?? "",
        "mean over the data": each.sent.middle[j],
        "spread over the data": each.sent.spread[j],
        "KL over the data (nats)": each.sent.kl?.[j] ?? "",
      }));
    });
    saveTable(rows, "coefficients", lab.host.get<string>("_source"));
  };
  return (
    <>
      {MODES.filter(([mode]) => gaussian || mode !== "prior").map(([mode, words]) => (
        <button
          key={mode}
          aria-pressed={lab.mode.value === mode}
          title={words}
          disabled={mode.length > 5 && mode !== "posterior" && !lab.host.live && !lab.fitted.value.length}
          onClick={() => (mode === "posterior" ? lab.pick(Math.max(0, lab.image.value)) : lab.draw(mode))}
        >
          {mode}
        </button>
      ))}
      <i />
      <button disabled={lab.past.value.length === 0} title="Back to before the last step" onClick={() => lab.undo()}>
        undo
      </button>
      <button
        aria-pressed={lab.playing.value}
        title="Swing the coefficient that was moved last, two spreads to each side"
        onClick={() => (lab.playing.value = !lab.playing.value)}
      >
        play {lab.active.value + 1}
      </button>
      <button
        class="save"
        title="Save the coefficients as a table (CSV)"
        aria-label="Save the coefficients as a table"
        onClick={save}
      >
        csv
      </button>
    </>
  );
}

/** The equation strip, of the model in hand. */
function Way({ lab }: { lab: Lab }) {
  const part = lab.parts[lab.hand.value];
  const lit = lab.lit.value;
  const rank = part.rank.value;
  const { svd, latentSize, sampled } = part.way;
  const j = lab.active.value;
  const cut = rank < part.size ? `, ${rank} of ${part.size}` : `, ${part.size} numbers`;
  const value = lab.single.value ? `z${subscript(j + 1)} = ${part.z.value[j].toFixed(2).replace("-", "−")}` : "";
  const stages: Stage[] = [
    { text: "x", lit: lit === "x", title: "an image" },
    { text: "encoder", box: true, lit: lit === "x" },
  ];
  if (svd)
    stages.push(
      { text: `y${latentSize ? `, ${latentSize} numbers` : ""}`, title: "the latent vector" },
      { text: "SVD: y ≈ U α", box: true, lit: lit === "svd", title: "U holds the singular directions of all latents" },
    );
  if (sampled)
    stages.push(
      { text: svd ? `μ(α), s(α)` : "μ, s", title: "the posterior: a mean and a standard deviation each" },
      {
        text: value || `z ∼ N(μ, s²)${cut}`,
        sampled: true,
        lit: lit === "z" || lit === "noise" || (!svd && lit === "svd"),
        title: "drawn in training; here you choose it",
      },
    );
  else
    stages.push({ text: value || `${svd ? "α" : "z"}${cut}`, box: true, lit: lit === "z" || (!svd && lit === "svd") });
  stages.push({ text: "decoder", box: true, lit: lit !== "" }, { text: "x̂", lit: lit !== "", title: "what it draws" });
  return <Equation stages={stages} family={part.family} />;
}

const subscript = (number: number) => String(number).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[Number(d)]);

/** Decodes, the original, and the differences. */
function Seen({ lab }: { lab: Lab }) {
  const { parts, data } = lab;
  const two = parts.length > 1;
  return (
    <div class={two ? "" : "single"}>
      <h4>{two ? "What each decoder draws" : "What the decoder draws"}</h4>
      <div
        class={two ? "pictures" : "pictures one"}
        style={{ gridTemplateColumns: `repeat(${parts.length}, minmax(0, 1fr))` }}
      >
        {parts.map((part) => (
          <figure key={part.number}>
            <Picture pixels={part.pixels} lab={lab} look={data.look} label={`decoded by the ${part.name}`} />
            <Caption part={part} named={two} />
          </figure>
        ))}
      </div>
      <div class="pictures" style={{ gridTemplateColumns: `repeat(${parts.length + 1}, minmax(0, 1fr))` }}>
        <figure>
          <Picture pixels={lab.original} lab={lab} look={data.look} label="the original" />
          <figcaption>original</figcaption>
        </figure>
        {parts.map((part) => (
          <figure key={part.number}>
            <Difference part={part} lab={lab} />
            <figcaption title="decoded minus original">{two ? `x̂ − x, ${part.name}` : "difference"}</figcaption>
          </figure>
        ))}
      </div>
    </div>
  );
}

type Pixels = { readonly value: Float32Array | null };

function Picture({ pixels, lab, look, label }: { pixels: Pixels; lab: Lab; look: Look; label: string }) {
  return <Image pixels={pixels.value} shape={lab.data.shape} look={look} label={label} />;
}

function Difference({ part, lab }: { part: Part; lab: Lab }) {
  const [low, high] = lab.data.look.limits;
  const look = useMemo<Look>(() => ({ picture: "difference", limits: [(low - high) / 2, (high - low) / 2] }), []);
  const difference = useComputed(() => {
    const [x, decoded] = [lab.original.value, part.pixels.value];
    if (!x || !decoded) return null;
    const { shape } = lab.data;
    const gap = decoded.map((v, i) => v - x[i]);
    if (shape[2] === 1) return gap;
    // one sign for a pixel: that of its brightness
    return gap.map((_, i) => (i % shape[2] ? 0 : (gap[i] + gap[i + 1] + gap[i + 2]) / 3));
  });
  return <Picture pixels={difference} lab={lab} look={look} label={`decoded minus original, ${part.name}`} />;
}

function Caption({ part, named }: { part: Part; named: boolean }) {
  const error = part.error.value;
  const nats = part.nats.value;
  return (
    <figcaption>
      {named && <b style={{ color: `var(--${part.family})` }}>{part.name} </b>}
      {error === null ? "no original" : <>error {error.toFixed(1)} %</>}
      {nats !== null && !named && (
        <span title="KL divergence of this image's posterior from the prior"> · {nats.toFixed(1)} nats</span>
      )}
    </figcaption>
  );
}

/** Images to pick from, or samples; a pad; a file. */
function Source({ lab, open }: { lab: Lab; open: (file: File | undefined) => void }) {
  const { data, parts } = lab;
  const first = useSignal(0);
  const samples = lab.samples.value[lab.hand.value]?.slice(0, THUMBNAILS);
  const part = parts[lab.hand.value];
  const places = Array.from({ length: Math.min(THUMBNAILS, lab.count - first.value) }, (_, i) => first.value + i);
  const thumbnails = useMemo(() => places.map((i) => lab.thumbnail(i)), [first.value]);
  const decoded = useDecodes(part, samples ?? [], "sample ");
  const chosen = useSignal(-1);
  const turn = (by: number) => (first.value = Math.min(Math.max(0, first.value + by), lab.count - 1));
  const last = places[places.length - 1];
  return (
    <div>
      <h4 class="line">
        {samples ? (
          <>
            <span style={{ color: "var(--kl)" }}>●</span> Samples{" "}
            <button onClick={() => lab.draw(lab.mode.value)}>draw again</button>
          </>
        ) : (
          <>
            Images
            <span class="end">
              <button aria-label="images before these" disabled={first.value === 0} onClick={() => turn(-THUMBNAILS)}>
                ‹
              </button>{" "}
              {first.value}–{last} of {lab.count.toLocaleString("en")}{" "}
              <button aria-label="more images" disabled={last === lab.count - 1} onClick={() => turn(THUMBNAILS)}>
                ›
              </button>
            </span>
          </>
        )}
      </h4>
      <Strip
        images={samples ? decoded : thumbnails}
        names={samples ? samples.map((_, i) => `sample ${i + 1}`) : places.map((i) => lab.title(i))}
        shape={data.shape}
        look={data.look}
        columns={7}
        chosen={samples ? (lab.image.value < 0 ? chosen.value : -1) : lab.image.value - first.value}
        onPick={(i) => {
          chosen.value = i;
          if (samples) lab.set(lab.samples.value.map((rows) => rows[i]));
          else lab.pick(first.value + i);
        }}
      />
      <div class="line draw">
        <Pad
          shape={data.shape}
          look={data.look}
          sheet={lab.sheet.value}
          size={92}
          onDraw={(x) => lab.take(x, "draw")}
        />
        <div>
          <span class="muted">Draw, or drop a picture anywhere on the card.</span>
          <div class="line">
            <button onClick={() => lab.sheet.value++}>clear</button>
            <label class="file">
              file…
              <input
                type="file"
                accept="image/png,image/jpeg,image/webp"
                onChange={(event) => {
                  open(event.currentTarget.files?.[0]);
                  event.currentTarget.value = "";
                }}
              />
            </label>
          </div>
        </div>
      </div>
    </div>
  );
}

/** What `part` decodes from rows of coefficients. */
function useDecodes(part: Part, rows: number[][], place: string): (Float32Array | null)[] {
  const [decoded, set] = useState<(Float32Array | null)[]>([]);
  const rank = part.rank.value;
  const key = useMemo(() => JSON.stringify(rows), [rows]);
  useEffect(() => {
    const found: (Float32Array | null)[] = rows.map(() => null);
    let ended = false;
    rows.forEach((z, i) =>
      part.runner.decode(
        part.kept(z, rank),
        (pixels) => {
          found[i] = pixels;
          if (!part.runner.here && !ended) set(found.slice());
        },
        place + i,
      ),
    );
    if (part.runner.here) set(found);
    return () => void (ended = true);
  }, [part, key, rank]);
  return rows.map((_, i) => decoded[i] ?? null);
}

/** The coefficients as lobes with handles, the noise, and the spectrum with its cut. */
function Coefficients({ lab }: { lab: Lab }) {
  const part = lab.parts[lab.hand.value];
  const { sent, size } = part;
  const page = useSignal(0);
  const start = Math.min(page.value * PAGE, Math.floor((size - 1) / PAGE) * PAGE);
  const places = useMemo(() => sent.order.slice(start, start + PAGE), [part, start]);
  const gaussian = part.deviations !== null;
  return (
    <div>
      <h4 class="line">
        {lab.parts.length > 1 ? (
          <span role="group" aria-label="model in hand">
            {lab.parts.map((each, i) => (
              <>
                <button
                  key={i}
                  aria-pressed={i === lab.hand.value}
                  style={{ "--pressed": `var(--${each.family})` }}
                  onClick={() => {
                    lab.hand.value = i;
                    lab.active.value = each.sent.order[0];
                    lab.path.value = null;
                  }}
                >
                  {each.name}
                </button>{" "}
              </>
            ))}
          </span>
        ) : (
          <>{size} coefficients, widest first</>
        )}
        <span>drag a handle</span>
        {size > PAGE && (
          <span class="end">
            <button
              aria-label="wider coefficients"
              disabled={start === 0}
              onClick={() => (page.value = start / PAGE - 1)}
            >
              ‹
            </button>{" "}
            {start + 1}–{start + places.length} of {size}{" "}
            <button
              aria-label="narrower coefficients"
              disabled={start + PAGE >= size}
              onClick={() => (page.value = start / PAGE + 1)}
            >
              ›
            </button>
          </span>
        )}
      </h4>
      <Handles lab={lab} part={part} places={places} />
      <p class="caption">
        {gaussian
          ? "Shape: its values over the data. Dashed: the prior N(0, 1). Band: ± s of this image. Lamp: awake or collapsed, with its KL in nats."
          : "Shape: its values over the data, in spreads from its mean."}
      </p>
      {gaussian && <Noise lab={lab} />}
      <h4 style={{ marginTop: "8px" }}>
        Spectrum <span>drag the cut: what is beyond it stays at its mean</span>
      </h4>
      <Spectrum
        values={sent.order.map((j) => sent.spread[j])}
        numbers={sent.order.map((j) => j + 1)}
        rank={part.rank.value}
        family={part.family}
        name="spread over the data"
        height={gaussian ? 164 : 222}
        onRank={(rank) => rank !== part.rank.peek() && lab.setRank(rank)}
      />
    </div>
  );
}

function Handles({ lab, part, places }: { lab: Lab; part: Part; places: number[] }) {
  const { sent, size, means, deviations } = part;
  const gaussian = deviations !== null;
  // those of a deterministic model have no scale of their own: they are shown in spreads from their mean
  const [middle, unit] = gaussian
    ? [() => 0, () => 1]
    : [(j: number) => sent.middle[j], (j: number) => sent.spread[j] || 1];
  const reach = useMemo(() => (gaussian ? Math.max(REACH, Math.ceil(1.05 * largest(means))) : REACH), [part]);
  const all = useMemo(
    () =>
      densities(
        means.map((v, i) => (v - middle(i % size)) / unit(i % size)),
        size,
        reach,
      ),
    [part, reach],
  );
  const lobes = useMemo(
    () =>
      places.map((j): Lobe => ({
        number: j + 1,
        density: all[j],
        middle: (sent.middle[j] - middle(j)) / unit(j),
        spread: sent.spread[j] / unit(j),
        awake: !gaussian || part.awake(j),
        kl: sent.kl?.[j],
      })),
    [part, places, all],
  );
  const s = part.posterior.value?.deviation;
  return (
    <Lobes
      lobes={lobes}
      family={part.family}
      values={places.map((j) => (part.shown.value[j] - middle(j)) / unit(j))}
      deviations={s ? places.map((j) => s[j]) : null}
      height={292}
      reach={reach}
      prior={gaussian}
      onFocus={(place) => (lab.active.value = places[place])}
      onMove={(place, value) => {
        const j = places[place];
        lab.move([[j, middle(j) + value * unit(j)]], `z ${j}`);
      }}
    />
  );
}

const largest = (values: Float32Array) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

function Noise({ lab }: { lab: Lab }) {
  const off = lab.parts[lab.hand.value].posterior.value === null;
  return (
    <div class="line noise">
      <Slider
        label="noise added to μ"
        value={lab.noise.value}
        min={0}
        max={2}
        step={0.05}
        words={(v) => `${v.toFixed(2)} s ε`}
        accent={lab.parts[lab.hand.value].family}
        disabled={off}
        onInput={(value) => lab.setNoise(value)}
      />
      <button disabled={off} onClick={() => lab.setNoise(lab.noise.value || 1, lab.seed.value + 1)}>
        another ε
      </button>
    </div>
  );
}

/** The map of two coefficients, and a walk from one image to another. */
function Plane({ lab }: { lab: Lab }) {
  const part = lab.parts[lab.hand.value];
  const { order } = part.sent;
  const across = useSignal(0);
  const up = useSignal(1);
  const grid = useSignal(false);
  const contours = useSignal(false);
  const painting = useSignal(false);
  if (part.size < 2)
    return (
      <div>
        <h4>Latent map</h4>
        <p class="caption">A map needs two coefficients, and this model has one.</p>
      </div>
    );
  const axes = [order[across.value % part.size], order[up.value % part.size]] as [number, number];
  const choose = (axis: Signal<number>, other: Signal<number>) => (event: Event) => {
    const chosen = Number((event.currentTarget as HTMLSelectElement).value);
    if (chosen === other.value) other.value = axis.value;
    axis.value = chosen;
    lab.path.value = null;
  };
  const select = (name: string, axis: Signal<number>, other: Signal<number>) => (
    <select aria-label={name} value={axis.value} onChange={choose(axis, other)}>
      {order.map((j, place) => (
        <option key={j} value={place}>
          {j + 1}
        </option>
      ))}
    </select>
  );
  return (
    <div>
      <h4 class="line">
        Latent map
        <span class="end">
          coefficient {select("coefficient across", across, up)} → and {select("coefficient upwards", up, across)} ↑
        </span>
      </h4>
      <Mapped lab={lab} part={part} axes={axes} {...{ grid, contours, painting }} />
      <div class="line" style={{ margin: "8px 0" }}>
        <button aria-pressed={contours.value} onClick={() => (contours.value = !contours.value)}>
          density
        </button>
        <button
          aria-pressed={grid.value}
          disabled={!part.runner.here}
          title="What is decoded all over the map, the other coefficients as they are"
          onClick={() => (grid.value = !grid.value)}
        >
          decodes
        </button>
        <button
          aria-pressed={painting.value}
          title="Drag a line over the map: the strip below shows what is decoded along it"
          onClick={() => (painting.value = !painting.value)}
        >
          paint a path
        </button>
      </div>
      <Walk lab={lab} part={part} />
    </div>
  );
}

interface MappedProps {
  lab: Lab;
  part: Part;
  axes: [number, number];
  grid: Signal<boolean>;
  contours: Signal<boolean>;
  painting: Signal<boolean>;
}

function Mapped({ lab, part, axes, grid, contours, painting }: MappedProps) {
  const [a, b] = axes;
  const points = useMemo(() => part.points(a, b), [part, a, b]);
  const z = part.shown.value;
  const rest = grid.value ? z.filter((_, j) => j !== a && j !== b).join() + part.rank.value : "";
  const decode = useMemo(() => {
    const base = part.kept(z);
    return (at: [number, number]) => {
      [base[a], base[b]] = at;
      let pixels: ArrayLike<number> = [];
      part.runner.decode(base, (found) => (pixels = found));
      return pixels;
    };
  }, [part, a, b, rest]);
  const samples = lab.samples.value[part.number];
  const trail = useMemo(() => {
    const path = lab.path.value;
    const rows = samples ?? lab.stops(part);
    const along = path && !samples ? path.points : rows.map((row): [number, number] => [row[a], row[b]]);
    return { points: along, family: samples ? "kl" : "muted", line: !samples };
  }, [part, a, b, samples, lab.path.value, lab.ends.value]);
  const ends = useMemo(
    () =>
      lab.ends.value.map((i, n) => ({
        at: ((m) => [m[a], m[b]])(part.mean(i)) as [number, number],
        family: "muted",
        name: "AB"[n],
      })),
    [part, a, b, lab.ends.value],
  );
  return (
    <Map
      points={points}
      labels={lab.labels}
      classes={lab.data.classes}
      thumbnail={(i) => lab.thumbnail(i)}
      shape={lab.data.shape}
      look={lab.data.look}
      axes={[`coefficient ${a + 1}`, `coefficient ${b + 1}`]}
      family={part.family}
      at={[z[a], z[b]]}
      onMove={([x, y]) =>
        lab.move(
          [
            [a, x],
            [b, y],
          ],
          `map ${a} ${b}`,
        )
      }
      onPick={(i) => lab.pick(i)}
      trail={trail}
      others={samples || lab.path.value ? [] : ends}
      onPath={painting.value ? (path) => lab.paint(path, axes) : undefined}
      grid={grid.value ? 11 : 0}
      decode={decode}
      density={contours.value}
    />
  );
}

function Walk({ lab, part }: { lab: Lab; part: Part }) {
  const [path, ends] = [lab.path.value, lab.ends.value];
  const at = useSignal(0);
  const rows = useMemo(() => lab.stops(part), [part, path, ends]);
  const decoded = useDecodes(part, rows, "stop ");
  const { shape, look } = lab.data;
  const end = (which: 0 | 1) => {
    const name = which ? "B" : "A";
    const here = lab.image.value;
    return (
      <button
        class="thumbnail"
        title={`${name} is ${lab.title(ends[which])}. Press to put the image that is shown here.`}
        aria-label={`${name}: put the image that is shown here`}
        disabled={here < 0}
        onClick={() => {
          lab.path.value = null;
          lab.ends.value = which ? [ends[0], here] : [here, ends[1]];
        }}
      >
        <Image pixels={useMemo(() => lab.thumbnail(ends[which]), [ends[which]])} shape={shape} look={look} label="" />
        {name}
      </button>
    );
  };
  return (
    <div class="walk">
      <h4>
        {path ? "Along your path" : "From A to B"}{" "}
        <span>{path ? "A or B: back to images" : "press A or B: the image that is shown"}</span>
      </h4>
      <div class="way">
        {end(0)}
        <div>
          <div class="stops">
            {decoded.map((pixels, i) => (
              <Image key={i} pixels={pixels} shape={shape} look={look} label="" />
            ))}
          </div>
          <label class="slider" style={{ "--filled": `${100 * at.value}%` }}>
            <input
              type="range"
              min={0}
              max={1}
              step={0.01}
              value={at.value}
              aria-label="place on the way"
              aria-valuetext={`${Math.round(100 * at.value)} % of the way`}
              data-lm-suppress-shortcuts="true"
              onInput={(event) => {
                at.value = Number(event.currentTarget.value);
                lab.walk(at.value);
              }}
            />
          </label>
        </div>
        {end(1)}
      </div>
    </div>
  );
}

function Try({ lab }: { lab: Lab }) {
  const part = lab.parts[lab.hand.value];
  const { order, middle, spread } = part.sent;
  const out = order.find((j) => part.deviations && !part.awake(j));
  /** An image and all its coefficients, as every experiment begins. */
  const afresh = (act: () => void) => () => {
    lab.pick(Math.max(0, lab.image.peek()));
    if (part.rank.peek() < part.size) lab.setRank(part.size);
    act();
  };
  const move = (j: number, value: number) => afresh(() => lab.move([[j, value]], ""));
  const choices: Record<string, () => void> = {
    "all at their mean": afresh(() => lab.set(lab.parts.map((each) => each.sent.middle))),
    [`${order[0] + 1} two spreads up`]: move(order[0], middle[order[0]] + 2 * spread[order[0]]),
    "half of the coefficients": afresh(() => lab.setRank(Math.ceil(part.size / 2))),
  };
  if (out !== undefined) choices[`move ${out + 1}, collapsed`] = move(out, 3);
  if (part.deviations) choices["a sample of the prior"] = () => lab.draw("prior");
  choices["halfway from A to B"] = afresh(() => {
    lab.path.value = null;
    lab.walk(0.5);
  });
  return <Presets choices={choices} onReset={() => lab.reset()} />;
}
