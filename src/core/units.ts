/** Sizes are bytes in code and GiB in texts; 1 GiB = 2^30 bytes, never 10^9. */
export const KIB = 1024;
export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;
export const TIB = 1024 ** 4;

const BINARY_STEPS = [
  [TIB, 'TiB'],
  [GIB, 'GiB'],
  [MIB, 'MiB'],
  [KIB, 'KiB'],
] as const;

/** `4.60 GiB`, `512.0 MiB`, `12 B`. Two decimals from GiB on, one below. */
export function formatBytes(bytes: number): string {
  for (const [step, unit] of BINARY_STEPS) {
    if (Math.abs(bytes) >= step) return `${(bytes / step).toFixed(step >= GIB ? 2 : 1)} ${unit}`;
  }
  return `${Math.round(bytes)} B`;
}

/** `850 ms`, `12.3 s`, `1 m 12 s`, `2 h 5 m`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
}

/** `103.4 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kib: KIB,
  mib: MIB,
  gib: GIB,
  tib: TIB,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** Reads `6GiB`, `512 MiB`, `8GB`, and `0`. Returns undefined for anything else: a number without a unit could mean anything. */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (match === null) return undefined;
  const [, number, unit = ''] = match;
  const step = unit === '' && Number(number) === 0 ? 1 : SIZE_UNITS[unit.toLowerCase()];
  if (step === undefined) return undefined;
  const bytes = Math.round(Number(number) * step);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
