// Bytes, durations, percentages and counts as text.
// escape.ts and table.ts handle names and tables.
const UNITS: readonly [string, number][] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

/** `1.234 MiB`, `12 B`: as restic writes them. */
export function formatBytes(bytes: number): string {
  for (const [name, size] of UNITS) if (bytes >= size) return `${(bytes / size).toFixed(3)} ${name}`;
  return `${Math.round(bytes)} B`;
}

/** `m:ss` or `h:mm:ss`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

/** As in restic: never 100.00% before the end. */
export function formatPercent(part: number, whole: number): string {
  if (whole <= 0) return '';
  return `${Math.min(100, (100 * part) / whole).toFixed(2)}%`;
}

/** `1 file`, `1,234 files`. */
export function counted(count: number, thing: string): string {
  // Not toLocaleString: loading the locales takes 10 ms.
  const digits = String(count).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${digits} ${count === 1 ? thing : thing.replace(/(?<![aeiou])y$/, 'ie').concat('s')}`;
}
