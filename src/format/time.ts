// The stored form of a time (SPEC.md section 1). What a time is, and its order, are in time/time.ts.

import { asArray, asInt, asUint } from '../bytes/msgpack.js';
import type { Time } from '../time/time.js';

export const timeFields = (time: Time): [number, number] => [time.seconds, time.nanoseconds];

export function parseTime(value: unknown, what: string): Time {
  const [seconds, nanoseconds] = asArray(value, 2, what);
  return { seconds: asInt(seconds, what), nanoseconds: asUint(nanoseconds, 999_999_999, what) };
}
