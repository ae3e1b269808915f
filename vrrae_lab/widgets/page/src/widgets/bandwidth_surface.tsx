// AVAE's bandwidth over dimension and number of kernels, and what follows from it.
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Columns, Large, Part } from "../parts/Card";
import { AxisBelow, AxisLeft, Bar, Curve, Dot, path, Plot, Text } from "../parts/chart";
import { contour } from "../parts/contour";
import { Slider } from "../parts/controls";
import { Handle } from "../parts/handle";
import { Image, type Look } from "../parts/Image";
import { limit, type Pair, scaleLinear, scaleLog } from "../parts/scale";

const SIZES: Pair = [1, 200];
const COUNTS: Pair = [50, 50_000];
const [LEFT, TOP, BELOW, HEIGHT] = [58, 22, 40, 400];
const LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3];
const onMap = (h: number) => (h > 0.6 ? "#14181f" : "#fff"); // what can be read on the map there
const GRID = Array.from({ length: 121 }, (_, i) => -3 + i / 20);
const gauss = (x: number, s: number) => Math.exp(-0.5 * (x / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
const words = (value: number) => value.toLocaleString("en");
/** The next whole number of three digits on the way from one value to another. */
const whole = (from: number, to: number, limits: Pair) => {
  const near = Math.round(Number(to.toPrecision(3)));
  return limit(near === from ? from + Math.sign(to - from) : near, ...limits);
};

/** The dimension, the number of kernels, and the bandwidth that goes with them. */
function useBandwidth(host: Host) {
  const size = host.trait<number>("latent_size");
  const count = host.trait<number>("num_centres");
  const surface = useMemo(() => host.array("_surface", Float32Array)!, []);
  const side = Math.sqrt(surface.length);
  const [l, m] = [size.value, count.value];
  const set = (to: number, of: number) =>
    void ([size.value, count.value] = [whole(l, to, SIZES), whole(m, of, COUNTS)]);
  const h = useMemo(() => {
    const at = (v: number, [low, high]: Pair) => (Math.log(v / low) / Math.log(high / low)) * (side - 1);
    return Math.exp(between(surface, side, at(l, SIZES), at(m, COUNTS)));
  }, [l, m]);
  const reset = () => host.reset("latent_size", "num_centres");
  return { surface, side, l, m, h, set, reset };
}

export function BandwidthSurface({ host }: { host: Host }) {
  const state = useBandwidth(host);
  const { l, m, h, set, reset } = state;
  const corrected = h / Math.sqrt(1 + h * h);
  const deviation = Math.sqrt(1 - corrected ** 2);
  const presets = {
    "two dimensions": () => set(2, m),
    "100 dimensions": () => set(100, m),
    "ten times the kernels": () => set(l, Math.min(10 * m, COUNTS[1])),
  };
  const slider = { logarithmic: true, words };
  return (
    <Card
      {...{ host, presets, reset }}
      title="Many dimensions need wide kernels"
      about="AVAE's bandwidth h(l, m), chosen before there are any points"
    >
      <Columns widths="3 2">
        <Part title="Bandwidth h for m kernels in l dimensions" hint="drag the mark over the map">
          <Surface {...state} />
        </Part>
        <Part title="What follows from it">
          <Shares {...{ corrected, deviation }} />
          <div class="numbers">
            <div>
              <Large is={h.toFixed(3)} /> h, for kernels on samples of N(0, I)
            </div>
            <div>
              <Large tone="vrrae" is={corrected.toFixed(3)} /> h<sub>c</sub> = h ⁄ √(1 + h²), corrected: kernels on
              codes add up to the prior
            </div>
            <div>
              <Large tone="vae" is={deviation.toFixed(3)} /> √(1 − h<sub>c</sub>²), the standard deviation of the codes
            </div>
          </div>
          <Slider {...slider} label="dimension l" value={l} limits={SIZES} onInput={(to) => set(to, m)} />
          <Slider {...slider} label="kernels m" value={m} limits={COUNTS} onInput={(to) => set(l, to)} />
        </Part>
      </Columns>
    </Card>
  );
}

/** The surface between its entries, by both neighbours in both directions. */
function between(surface: Float32Array, side: number, x: number, y: number): number {
  const [i, j] = [Math.min(side - 2, Math.floor(x)), Math.min(side - 2, Math.floor(y))];
  const [u, v] = [x - i, y - j];
  const row = (r: number) => (1 - u) * surface[r * side + i] + u * surface[r * side + i + 1];
  return (1 - v) * row(j) + v * row(j + 1);
}

function Surface({ surface, side, l, m, h, set, reset }: ReturnType<typeof useBandwidth>) {
  const { cells, look, lines } = useMemo(() => {
    const values = surface.map(Math.exp);
    // the first row of a picture is its top: the most kernels
    const cells = values.map((_, i) => values[(side - 1 - Math.floor(i / side)) * side + (i % side)]);
    const look: Look = { picture: "map", limits: [0, cells.reduce((a, b) => Math.max(a, b))] };
    const lines = LEVELS.map((level) => ({ level, pieces: contour(cells, side, level) }));
    return { cells, look, lines };
  }, []);
  const tall = HEIGHT - TOP - BELOW;
  const y = scaleLog(COUNTS, [TOP + tall, TOP]);
  // half a cell lies beyond each end of the axes
  const ground = (width: number) => {
    const [w, cell] = [width - LEFT - 8, (width - LEFT - 8) / (side - 1)];
    const fit = `translate(${-cell / 2}px,${-tall / (side - 1) / 2}px) scale(1,${tall / w})`;
    return (
      <div class="under" style={`left:${LEFT}px;top:${TOP}px;width:${w}px;height:${tall}px`}>
        <div style={`transform:${fit};transform-origin:0 0`}>
          <Image
            pixels={cells}
            shape={[side, side, 1]}
            look={look}
            size={w + cell}
            label="bandwidth by dimension and kernels"
          />
        </div>
      </div>
    );
  };
  return (
    <Plot height={HEIGHT} label="map of the bandwidth" ground={ground}>
      {(width) => {
        const w = width - LEFT - 8;
        const x = scaleLog(SIZES, [LEFT, LEFT + w]);
        const px = (p: Pair): Pair => [LEFT + (p[0] / (side - 1)) * w, TOP + (p[1] / (side - 1)) * tall];
        const [ml, mm] = [x(l), y(m)];
        const beside = ml > LEFT + 0.7 * w ? { x: ml - 14, class: "strong end" } : { x: ml + 14, class: "strong" };
        const said = `h = ${h.toFixed(3)}`;
        const drag = (to: number, of: number) => set(x.invert(to), y.invert(of));
        const key = (n: number, across: boolean) =>
          n ? set(across ? l * 1.05 ** n : l, across ? m : m * 1.05 ** n) : reset();
        return (
          <>
            {lines.map(({ level, pieces }) => {
              if (!pieces.length) return null;
              const [mx, my] = px(pieces[Math.floor(pieces.length * 0.4)][0]);
              return (
                <g key={level}>
                  <Curve d={pieces.map((piece) => path(piece.map(px))).join("")} tone={onMap(level)} opacity={0.6} />
                  {pieces.length > side / 2 && <Text x={mx + 4} y={my - 3} tone={onMap(level)} is={level} />}
                </g>
              );
            })}
            <AxisLeft
              scale={y}
              name="kernels m"
              at={LEFT}
              ticks={[50, 200, 1000, 5000, 20_000, 50_000]}
              format={words}
            />
            <AxisBelow scale={x} name="dimension l" at={TOP + tall} ticks={[1, 2, 5, 10, 20, 50, 100, 200]} />
            <Handle
              {...{ x: ml, y: mm, value: l, limits: SIZES, onDrag: drag, onKey: key }}
              label="dimension and number of kernels"
              words={`l = ${l}, m = ${words(m)}, ${said}`}
            >
              <Dot class="ring" r={8} rim="#fff" width={2.5} />
            </Handle>
            <Text {...beside} y={mm + (mm < TOP + 30 ? 16 : -6)} tone={onMap(h)} is={said} />
          </>
        );
      }}
    </Plot>
  );
}

/** Kernels on a narrower Gaussian add up to the prior: variances add. */
function Shares({ corrected, deviation }: { corrected: number; deviation: number }) {
  const y = scaleLinear([0, Math.max(gauss(0, corrected), gauss(0, deviation)) * 1.02], [112, 14]);
  const share = corrected ** 2;
  return (
    <Plot height={190} label="kernel, samples and prior">
      {(w) => {
        const x = scaleLinear([-3, 3], [8, w - 8]);
        const curve = (s: number) => GRID.map((g): Pair => [x(g), y(gauss(g, s))]);
        const cut = 8 + share * (w - 16);
        return (
          <>
            <path class="hairline" d={`M8 112H${w - 8}`} />
            <Curve d={curve(1)} tone="muted" dash="3 3" />
            <Curve d={curve(deviation)} tone="vae" fill={0.12} />
            <Curve d={curve(corrected)} tone="vrrae" fill={0.15} width={1.5} />
            <Text x={w - 8} y={22} class="end" is="dashed: the prior N(0, 1)" />
            <Text x={w - 8} y={37} class="end" tone="vae" is="where codes lie" />
            <Text x={w - 8} y={52} class="end" tone="vrrae" is="a kernel" />
            <Bar x={8} y={132} width={cut - 8} height={20} />
            <Bar x={cut} y={132} width={w - 8 - cut} height={20} tone="vae" />
            <Text x={8} y={168} tone="vrrae" is={`variance of a kernel ${share.toFixed(2)}`} />
            <Text x={w - 8} y={168} class="end" tone="vae" is={`variance of the codes ${(1 - share).toFixed(2)}`} />
            <Text x={w / 2} y={184} class="middle" is="the variance of the prior, 1, is shared" />
          </>
        );
      }}
    </Plot>
  );
}
