import { asArray, asInt, asUint } from '../bytes/msgpack.js';

/** Seconds since 1970 (may be negative) and nanoseconds 0–999,999,999 (SPEC.md section 1). */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export const timeFields = (time: Time): [number, number] => [time.seconds, time.nanoseconds];

export function parseTime(value: unknown, what: string): Time {
  const [seconds, nanoseconds] = asArray(value, 2, what);
  return { seconds: asInt(seconds, what), nanoseconds: asUint(nanoseconds, 999_999_999, what) };
}

export function compareTimes(a: Time, b: Time): number {
  return a.seconds - b.seconds || a.nanoseconds - b.nanoseconds;
}

/** From milliseconds since 1970. */
export function timeFromMillis(millis: number): Time {
  const seconds = Math.floor(millis / 1000);
  return { seconds, nanoseconds: Math.floor((millis - seconds * 1000) * 1e6) };
}
