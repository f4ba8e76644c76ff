/** A line chart as SVG, without dependencies: logarithmic on both axes, series named at their ends, on white so that any page can show it. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  /** With their units. */
  readonly xName: string;
  readonly yName: string;
  readonly series: readonly Series[];
}

const WIDTH = 860;
const HEIGHT = 420;
const FRAME = { left: 110, right: 640, top: 48, bottom: 356 } as const;
const COLOURS = ['#0b5fa5', '#c2410c', '#15803d', '#7e22ce', '#a16207', '#be123c'] as const;
const LABEL_PX = 16;

/** One place on a logarithmic axis. Zero lies one step left of the smallest other value. */
function createScale(values: readonly number[], from: number, to: number, min: number, max: number) {
  const zero = Math.min(...values.filter((value) => value > 0)) / 10;
  const logOf = (value: number) => Math.log10(value > 0 ? value : zero);
  const [low, high] = [logOf(min), logOf(max)];
  return (value: number) => from + ((logOf(value) - low) / (high - low || 1)) * (to - from);
}

/** 1, 2 and 5 of each power of ten that lie within. */
function ticksOf(min: number, max: number): number[] {
  const powers = Array.from({ length: 24 }, (_, index) => 10 ** (index - 6));
  const ticks = powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((tick) => tick >= min * 0.999 && tick <= max * 1.001);
  return ticks.length > 8 ? ticks.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6)) : ticks;
}

function textOf(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** Labels keep their order and a line's height between them. */
function spread(wanted: readonly number[]): number[] {
  const order = wanted.map((y, index) => ({ y, index })).toSorted((a, b) => a.y - b.y);
  const placed: number[] = [];
  let above = -Infinity;
  for (const { y, index } of order) placed[index] = above = Math.max(y, above + LABEL_PX);
  return placed;
}

export function lineChart({ title, xName, yName, series }: Chart): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  const [yMin, yMax] = [Math.min(...ys.filter((y) => y > 0)) * 0.8, Math.max(...ys) * 1.25];
  const xOf = createScale(xs, FRAME.left + 8, FRAME.right - 8, xs[0] ?? 1, xs.at(-1) ?? 1);
  const yOf = createScale(ys, FRAME.bottom, FRAME.top, yMin, yMax);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#222">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${FRAME.left}" y="26" font-size="16" font-weight="600">${escaped(title)}</text>`,
  ];
  for (const tick of ticksOf(yMin, yMax)) {
    const y = yOf(tick).toFixed(1);
    parts.push(`<path d="M${FRAME.left} ${y}H${FRAME.right}" stroke="#ddd"/>`);
    parts.push(`<text x="${FRAME.left - 8}" y="${y}" dy="4" text-anchor="end">${textOf(tick)}</text>`);
  }
  for (const x of xs) {
    parts.push(`<path d="M${xOf(x).toFixed(1)} ${FRAME.bottom}v5" stroke="#222"/>`);
    parts.push(`<text x="${xOf(x).toFixed(1)}" y="${FRAME.bottom + 20}" text-anchor="middle">${textOf(x)}</text>`);
  }
  parts.push(`<path d="M${FRAME.left} ${FRAME.top}V${FRAME.bottom}H${FRAME.right}" fill="none" stroke="#222"/>`);
  const middle = (FRAME.left + FRAME.right) / 2;
  parts.push(`<text x="${middle}" y="${FRAME.bottom + 44}" text-anchor="middle">${escaped(xName)}</text>`);
  const centre = (FRAME.top + FRAME.bottom) / 2;
  parts.push(`<text transform="translate(16 ${centre}) rotate(-90)" text-anchor="middle">${escaped(yName)}</text>`);
  const labels = spread(series.map(({ points }) => yOf(points.at(-1)?.[1] ?? yMin)));
  for (const [index, { name, points }] of series.entries()) {
    const colour = COLOURS[index % COLOURS.length];
    const path = points.map(([x, y]) => `${xOf(x).toFixed(1)} ${yOf(y).toFixed(1)}`).join('L');
    parts.push(`<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [x, y] of points) parts.push(`<circle cx="${xOf(x).toFixed(1)}" cy="${yOf(y).toFixed(1)}" r="3" fill="${colour}"/>`);
    const last = textOf(points.at(-1)?.[1] ?? 0);
    parts.push(
      `<text x="${FRAME.right + 6}" y="${(labels[index] as number).toFixed(1)}" dy="4" fill="${colour}">${escaped(name)} ${last}</text>`,
    );
  }
  return `${[...parts, '</svg>'].join('\n')}\n`;
}
