// A point in time: its type, order and conversion. The calendar is in civil.ts, the stored form in format/time.ts.

import type { Int64 } from '../bytes/int64.js';

/** Seconds since 1970 (may be negative) and nanoseconds 0–999,999,999 (SPEC.md section 1). */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** The time of a file: its seconds have 64 bits. */
export interface FileTime {
  readonly seconds: Int64;
  readonly nanoseconds: number;
}

export function compareTimes(a: FileTime, b: FileTime): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanoseconds - b.nanoseconds;
}

/** From milliseconds since 1970. */
export function timeFromMillis(millis: number): Time {
  const seconds = Math.floor(millis / 1000);
  return { seconds, nanoseconds: Math.floor((millis - seconds * 1000) * 1e6) };
}
