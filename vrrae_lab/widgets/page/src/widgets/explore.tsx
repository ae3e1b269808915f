// One linked lab: what the decoder draws, its coefficients and spectrum, and a map of two of them.
import { useComputed, useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { readPicture } from "../explore/file";
import { Lab, type Mode, type Part } from "../explore/lab";
import type { Host } from "../host";
import { Card, Failure } from "../parts/Card";
import { Button, Choice, Pager, Slider, Toggle } from "../parts/controls";
import { Image, type Look } from "../parts/Image";
import { densities, Lobes, type Lobe } from "../parts/Lobes";
import { Map } from "../parts/Map";
import { Pad } from "../parts/Pad";
import type { Pair } from "../parts/scale";
import { Spectrum } from "../parts/Spectrum";

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
      lab.say("", note);
    } catch (error) {
      lab.say((error as Error).message);
    }
  };
  const hover = (on: boolean) => (event: DragEvent) => {
    event.preventDefault();
    over.value = on;
  };
  const drop = (event: DragEvent) => {
    hover(false)(event);
    void open(event.dataTransfer?.files[0]);
  };
  const [{ name, size }, other] = parts;
  const models = !other
    ? `${name}, ${size} coefficients`
    : size === other.size
      ? `${name} and ${other.name}, ${size} coefficients each`
      : `${name} with ${size} coefficients, ${other.name} with ${other.size}`;
  const wide = other ? 34 : 26;
  const columns = { gridTemplateColumns: `minmax(230px, ${wide}fr) minmax(0, 50fr) minmax(290px, 40fr)` };
  return (
    <Card
      {...{ host, table: () => table(lab), presets: presets(lab), reset: () => lab.reset() }}
      title="Latent lab"
      about={`${models} · ${data.name.replaceAll("_", " ")}`}
      actions={<Actions lab={lab} />}
    >
      <Way lab={lab} />
      <div
        class="columns lab"
        style={columns}
        data-over={over.value}
        onDragOver={hover(true)}
        onDragLeave={hover(false)}
        onDrop={drop}
      >
        <div class="sight">
          <Seen lab={lab} />
          <Source lab={lab} open={open} />
        </div>
        <Coefficients lab={lab} />
        <Plane lab={lab} />
      </div>
      {parts.some((part) => part.runner.slow) && (
        <div class="foot">This browser has no WebAssembly SIMD, so pictures follow more slowly.</div>
      )}
    </Card>
  );
}

function table(lab: Lab) {
  return lab.parts.flatMap((each) => {
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
}

function Actions({ lab }: { lab: Lab }) {
  const gaussian = lab.inHand.deviations !== null;
  const fitted = lab.host.live || lab.fitted.value.length > 0;
  return (
    <>
      {MODES.filter(([mode]) => gaussian || mode !== "prior").map(([mode, words]) => (
        <Button
          key={mode}
          aria-pressed={lab.mode.value === mode}
          title={words}
          disabled={!fitted && (mode === "mixture" || mode === "kernel density")}
          onClick={() => (mode === "posterior" ? lab.pick(Math.max(0, lab.image.value)) : lab.draw(mode))}
          is={mode}
        />
      ))}
      <Button
        disabled={lab.past.value.length === 0}
        title="Take the last step back"
        onClick={() => lab.undo()}
        is="undo"
      />
      <Toggle
        of={lab.playing}
        title={`Swing coefficient ${lab.active.value + 1}, which was moved last, two spreads to each side`}
        is={`▶ z${subscript(lab.active.value + 1)}`}
      />
    </>
  );
}

/** A map in a box, dashed where something is drawn, or what goes through it; the box that is being moved lights up. */
type Stage = [text: string, kind: "" | "box" | "sampled box", lit: boolean, title?: string];

/** What becomes of an image on its way through the model in hand. */
function Way({ lab }: { lab: Lab }) {
  const part = lab.inHand;
  const [lit, rank, j] = [lab.lit.value, part.rank.value, lab.active.value];
  const { svd, latentSize } = part.sent;
  const cut = rank < part.size ? `, ${rank} of ${part.size}` : `, ${part.size} numbers`;
  const value = lab.single.value ? `z${subscript(j + 1)} = ${part.z.value[j].toFixed(2).replace("-", "−")}` : "";
  const moved = lit === "z" || (!svd && lit === "svd");
  const latent = `y${latentSize ? `, ${latentSize} numbers` : ""}`;
  const sampled = part.deviations !== null;
  const stages: (Stage | false)[] = [
    ["x", "", lit === "x", "an image"],
    ["encoder", "box", lit === "x"],
    svd && [latent, "", false, "the latent vector"],
    svd && ["SVD: y ≈ U α", "box", lit === "svd", "U holds the singular directions of all latents"],
    sampled && [svd ? `μ(α), s(α)` : "μ, s", "", false, "the posterior: a mean and a standard deviation each"],
    sampled
      ? [
          value || `z ∼ N(μ, s²)${cut}`,
          "sampled box",
          moved || lit === "noise",
          "drawn in training; here you choose it",
        ]
      : [value || `${svd ? "α" : "z"}${cut}`, "box", moved],
    ["decoder", "box", lit !== ""],
    ["x̂", "", lit !== "", "what it draws"],
  ];
  return (
    <div class="equation" style={{ "--accent": `var(--${part.family})` }} aria-label="from an image to its decoding">
      {stages
        .filter((stage) => stage !== false)
        .map(([text, kind, lit, title], i) => (
          <>
            {i > 0 && <span aria-hidden="true">→</span>}
            <span class={lit ? `${kind} lit` : kind} title={title}>
              {text}
            </span>
          </>
        ))}
    </div>
  );
}

const subscript = (number: number) => String(number).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[Number(d)]);

/** Decodes, the original, and the differences. */
function Seen({ lab }: { lab: Lab }) {
  const { parts, data } = lab;
  const two = parts.length > 1;
  const columns = (count: number) => ({ gridTemplateColumns: `repeat(${count}, minmax(0, 1fr))` });
  const shown = { lab, look: data.look };
  return (
    <div class={two ? "" : "single"}>
      <h4>{two ? "What each decoder draws" : "What the decoder draws"}</h4>
      <div class={two ? "pictures" : "pictures one"} style={columns(parts.length)}>
        {parts.map((part) => {
          const caption = <Caption part={part} named={two} />;
          return <Picture {...shown} pixels={part.pixels} label={`decoded by the ${part.name}`} caption={caption} />;
        })}
      </div>
      <div class="pictures" style={columns(parts.length + 1)}>
        <Picture {...shown} pixels={lab.original} label="the original" caption="original" />
        {parts.map((part) => (
          <Difference key={part.number} part={part} lab={lab} caption={two ? `x̂ − x, ${part.name}` : "difference"} />
        ))}
      </div>
    </div>
  );
}

interface PictureProps {
  pixels: { readonly value: Float32Array | null };
  lab: Lab;
  look: Look;
  label: string;
  caption: ComponentChildren;
}

const Picture = ({ pixels, lab, look, label, caption }: PictureProps) => (
  <figure>
    <Image pixels={pixels.value} shape={lab.data.shape} look={look} label={label} />
    <figcaption>{caption}</figcaption>
  </figure>
);

function Difference({ part, lab, caption }: { part: Part; lab: Lab; caption: string }) {
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
  return <Picture pixels={difference} {...{ lab, look, caption }} label={`decoded minus original, ${part.name}`} />;
}

function Caption({ part, named }: { part: Part; named: boolean }) {
  const error = part.error.value;
  const nats = part.nats.value;
  return (
    <>
      {named && <b style={{ color: `var(--${part.family})` }}>{part.name} </b>}
      {error === null ? "no original" : <>error {error.toFixed(1)} %</>}
      {nats !== null && !named && (
        <span title="KL divergence of this image's posterior from the prior"> · {nats.toFixed(1)} nats</span>
      )}
    </>
  );
}

/** Images to pick from, or samples; a pad; a file. */
function Source({ lab, open }: { lab: Lab; open: (file: File | undefined) => void }) {
  const { shape, look } = lab.data;
  const first = useSignal(0);
  const chosen = useSignal(-1);
  const samples = lab.samples.value[lab.hand.value]?.slice(0, THUMBNAILS);
  const places = Array.from({ length: Math.min(THUMBNAILS, lab.count - first.value) }, (_, i) => first.value + i);
  const thumbnails = useMemo(() => places.map((i) => lab.thumbnail(i)), [first.value]);
  const decoded = useDecodes(lab.inHand, samples ?? [], "sample ");
  const strip = samples
    ? {
        images: decoded,
        names: samples.map((_, i) => `sample ${i + 1}`),
        chosen: lab.image.value < 0 ? chosen.value : -1,
      }
    : { images: thumbnails, names: places.map((i) => lab.title(i)), chosen: lab.image.value - first.value };
  const pick = (i: number) => {
    chosen.value = i;
    if (samples) lab.set(lab.samples.value.map((rows) => rows[i]));
    else lab.pick(first.value + i);
  };
  return (
    <div>
      {samples ? (
        <h4 class="line">
          <span style={{ color: "var(--kl)" }}>●</span> Samples
          <Button onClick={() => lab.draw(lab.mode.value)} is="draw again" />
        </h4>
      ) : (
        <h4 class="line">
          Images
          <Pager
            {...{ first: first.value, size: THUMBNAILS, of: lab.count }}
            names={["previous images", "next images"]}
            onTurn={(to) => (first.value = to)}
          />
        </h4>
      )}
      <div class="strip" style="--count:7">
        {strip.images.map((pixels, i) => {
          const looks = { title: strip.names[i], "aria-label": strip.names[i], "aria-pressed": i === strip.chosen };
          const image = <Image {...{ pixels, shape, look }} label="" />;
          return <Button key={i} {...looks} onClick={() => pick(i)} is={image} />;
        })}
      </div>
      <div class="line draw">
        <Pad {...{ shape, look }} sheet={lab.sheet.value} size={92} onDraw={(x) => lab.take(x, "draw")} />
        <div>
          <span class="muted">{lab.note.value || "Draw, or drop a picture anywhere on the card."}</span>
          <div class="line">
            <Button onClick={() => lab.sheet.value++} is="clear" />
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
  const part = lab.inHand;
  const { sent, size } = part;
  const page = useSignal(0);
  const first = Math.min(page.value, Math.floor((size - 1) / PAGE) * PAGE);
  const places = useMemo(() => sent.order.slice(first, first + PAGE), [part, first]);
  const gaussian = part.deviations !== null;
  return (
    <div>
      <h4 class="line">
        {lab.parts.length > 1 ? <Hands lab={lab} /> : `${size} coefficients, widest first`}
        <span>drag a handle</span>
        {size > PAGE && (
          <Pager
            {...{ first, size: PAGE, of: size, from: 1 }}
            names={["wider coefficients", "narrower coefficients"]}
            onTurn={(to) => (page.value = to)}
          />
        )}
      </h4>
      <Handles lab={lab} part={part} places={places} />
      <p class="caption">
        {gaussian
          ? "Shape: its values over the data. Dashed: the prior N(0, 1). Band: ± s of this image. Lamp: lit while awake, out once collapsed; below it the KL in nats."
          : "Shape: its values over the data, in spreads from its mean."}
      </p>
      {gaussian && <Noise lab={lab} />}
      <h4 class="next">
        Spectrum <span>drag the cut: what is beyond it stays at its mean</span>
      </h4>
      <Spectrum
        {...{ rank: part.rank.value, family: part.family, height: gaussian ? 164 : 222 }}
        values={sent.order.map((j) => sent.spread[j])}
        numbers={sent.order.map((j) => j + 1)}
        name="spread over the data"
        onRank={(rank) => rank !== part.rank.peek() && lab.setRank(rank)}
      />
    </div>
  );
}

/** Which of the models is in hand. */
function Hands({ lab }: { lab: Lab }) {
  const take = (i: number) => {
    [lab.hand.value, lab.active.value, lab.path.value] = [i, lab.parts[i].sent.order[0], null];
  };
  return (
    <span role="group" aria-label="model in hand" class="line">
      {lab.parts.map(({ name }, i) => (
        <Button key={i} aria-pressed={i === lab.hand.value} onClick={() => take(i)} is={name} />
      ))}
    </span>
  );
}

function Handles({ lab, part, places }: { lab: Lab; part: Part; places: number[] }) {
  const { sent, size, means, family } = part;
  const gaussian = part.deviations !== null;
  // those of a deterministic model have no scale of their own: they are shown in spreads from their mean
  const middle = (j: number) => (gaussian ? 0 : sent.middle[j]);
  const unit = (j: number) => (gaussian ? 1 : sent.spread[j] || 1);
  const reach = useMemo(() => (gaussian ? Math.max(REACH, Math.ceil(1.05 * largest(means))) : REACH), [part]);
  const all = useMemo(() => {
    const scaled = means.map((v, i) => (v - middle(i % size)) / unit(i % size));
    return densities(scaled, size, reach);
  }, [part, reach]);
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
  const move = (place: number, value: number) => {
    const j = places[place];
    lab.move([[j, middle(j) + value * unit(j)]], `z ${j}`);
  };
  return (
    <Lobes
      {...{ lobes, family, reach, prior: gaussian, height: 292, onMove: move }}
      unit={gaussian ? "value" : "spreads from the mean"}
      values={places.map((j) => (part.shown.value[j] - middle(j)) / unit(j))}
      deviations={s ? places.map((j) => s[j]) : null}
      onFocus={(place) => (lab.active.value = places[place])}
    />
  );
}

const largest = (values: Float32Array) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

function Noise({ lab }: { lab: Lab }) {
  const { posterior, family } = lab.inHand;
  const disabled = posterior.value === null;
  return (
    <div class="line noise">
      <Slider
        {...{ disabled, tone: family, limits: [0, 2], step: 0.05, value: lab.noise.value }}
        label="noise added to μ"
        words={(v) => `${v.toFixed(2)} s ε`}
        onInput={(value) => lab.setNoise(value)}
      />
      <Button
        disabled={disabled}
        onClick={() => lab.setNoise(lab.noise.value || 1, lab.seed.value + 1)}
        is="another ε"
      />
    </div>
  );
}

/** The map of two coefficients, and a walk from one image to another. */
function Plane({ lab }: { lab: Lab }) {
  const part = lab.inHand;
  const { order } = part.sent;
  const [across, up] = [useSignal(0), useSignal(1)];
  const [grid, contours, painting] = [useSignal(false), useSignal(false), useSignal(false)];
  if (part.size < 2)
    return (
      <div>
        <h4>Latent map</h4>
        <p class="caption">A map needs two coefficients, and this model has one.</p>
      </div>
    );
  const axes: Pair = [order[across.value % part.size], order[up.value % part.size]];
  const places = order.map((j, place): Pair => [place, j + 1]);
  const select = (label: string, axis: Signal<number>, other: Signal<number>) => {
    const choose = (to: string) => {
      if (Number(to) === other.value) other.value = axis.value;
      [axis.value, lab.path.value] = [Number(to), null];
    };
    return <Choice label={label} value={axis.value} choices={places} onChoose={choose} />;
  };
  return (
    <div class="latent">
      <h4 class="line">
        Latent map
        <span class="end">
          coefficient {select("coefficient across", across, up)} → and {select("coefficient upwards", up, across)} ↑
        </span>
      </h4>
      <Mapped {...{ lab, part, axes, grid, contours, painting }} />
      <div class="line draw">
        <Toggle of={contours} is="density" />
        <Toggle
          of={grid}
          disabled={!part.runner.here}
          title="Decoded images all over the map; the other coefficients stay as they are"
          is="decodes"
        />
        <Toggle
          of={painting}
          title="Drag a line over the map: the strip below shows the images along it"
          is="paint a path"
        />
      </div>
      <Walk lab={lab} part={part} />
    </div>
  );
}

type MappedProps = { lab: Lab; part: Part; axes: Pair } & Record<"grid" | "contours" | "painting", Signal<boolean>>;

function Mapped({ lab, part, axes, grid, contours, painting }: MappedProps) {
  const [a, b] = axes;
  const points = useMemo(() => part.points(a, b), [part, a, b]);
  const { shape, look, classes } = lab.data;
  const z = part.shown.value;
  const rest = grid.value ? z.filter((_, j) => j !== a && j !== b).join() + part.rank.value : "";
  const decode = useMemo(() => {
    const base = part.kept(z);
    return (at: Pair) => {
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
    const along = path && !samples ? path.points : rows.map((row): Pair => [row[a], row[b]]);
    return { points: along, family: samples ? "kl" : "muted", line: !samples };
  }, [part, a, b, samples, lab.path.value, lab.ends.value]);
  const ends = lab.ends.value.map((i, n) => {
    const mean = part.mean(i);
    return { at: [mean[a], mean[b]] as Pair, family: "muted", name: "AB"[n] };
  });
  return (
    <Map
      {...{ points, trail, decode, family: part.family, at: [z[a], z[b]], grid: grid.value ? 11 : 0 }}
      {...{ shape, look, classes, labels: lab.labels, density: contours.value }}
      axes={[`coefficient ${a + 1}`, `coefficient ${b + 1}`]}
      thumbnail={(i) => lab.thumbnail(i)}
      others={samples || lab.path.value ? [] : ends}
      onMove={(to) =>
        lab.move(
          [a, b].map((j, c): Pair => [j, to[c]]),
          `map ${a} ${b}`,
        )
      }
      onPick={(i) => lab.pick(i)}
      onPath={painting.value ? (path) => lab.paint(path, axes) : undefined}
    />
  );
}

function Walk({ lab, part }: { lab: Lab; part: Part }) {
  const [path, ends] = [lab.path.value, lab.ends.value];
  const at = useSignal(0);
  const rows = useMemo(() => lab.stops(part), [part, path, ends]);
  const decoded = useDecodes(part, rows, "stop ");
  const { shape, look } = lab.data;
  const here = lab.image.value;
  const end = (which: 0 | 1) => {
    const name = which ? "B" : "A";
    const pixels = useMemo(() => lab.thumbnail(ends[which]), [ends[which]]);
    const take = () => {
      lab.path.value = null;
      lab.ends.value = which ? [ends[0], here] : [here, ends[1]];
    };
    return (
      <button
        class="thumbnail"
        title={`${name} is ${lab.title(ends[which])}. Press to use the image that is shown instead.`}
        aria-label={`${name}: use the image that is shown`}
        disabled={here < 0}
        onClick={take}
      >
        <Image {...{ pixels, shape, look }} label="" />
        {name}
      </button>
    );
  };
  const walk = (t: number) => {
    at.value = t;
    lab.walk(t);
  };
  const words = (t: number) => `${Math.round(100 * t)} % of the way`;
  return (
    <div class="walk">
      <h4>
        {path ? "Along your path" : "From A to B"}{" "}
        <span>{path ? "press A or B to leave it" : "pick an image, then press A or B"}</span>
      </h4>
      <div class="way">
        {end(0)}
        <div>
          <div class="stops">
            {decoded.map((pixels, i) => (
              <Image key={i} {...{ pixels, shape, look }} label="" />
            ))}
          </div>
          <Slider
            bare
            label="place on the way"
            value={at.value}
            limits={[0, 1]}
            step={0.01}
            {...{ words, onInput: walk }}
          />
        </div>
        {end(1)}
      </div>
    </div>
  );
}

function presets(lab: Lab): Record<string, () => void> {
  const part = lab.inHand;
  const { order, middle, spread } = part.sent;
  const out = order.find((j) => part.deviations && !part.awake(j));
  /** An image and all its coefficients, as every experiment begins. */
  const afresh = (act: () => void) => () => {
    lab.pick(Math.max(0, lab.image.peek()));
    if (part.rank.peek() < part.size) lab.setRank(part.size);
    act();
  };
  const move = (j: number, value: number) => afresh(() => lab.move([[j, value]], ""));
  const halfway = () => {
    lab.path.value = null;
    lab.walk(0.5);
  };
  return {
    "all at their mean": afresh(() => lab.set(lab.parts.map((each) => each.sent.middle))),
    [`z${subscript(order[0] + 1)} up two spreads`]: move(order[0], middle[order[0]] + 2 * spread[order[0]]),
    "half of the coefficients": afresh(() => lab.setRank(Math.ceil(part.size / 2))),
    ...(out !== undefined && { [`move collapsed z${subscript(out + 1)}`]: move(out, 3) }),
    ...(part.deviations && { "sample the prior": () => lab.draw("prior") }),
    "halfway from A to B": afresh(halfway),
  };
}
