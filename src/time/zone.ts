/**
 * Local time as TZ says, also where it is written as POSIX has it (`CET-1CEST,M3.5.0,M10.5.0/3`): V8 takes that for UTC. libc knows it, and `date` shows
 * the same.
 */

import { Buffer } from 'node:buffer';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const ZONE_FILES = '/usr/share/zoneinfo';
const NAME = `(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)`;
const OFFSET = String.raw`[+-]?\d{1,3}(?::\d{1,2}){0,2}`;
const RULE = String.raw`,(?:J?\d{1,3}|M\d{1,2}\.\d\.\d)(?:\/${OFFSET})?`;
const POSIX = new RegExp(`^${NAME}${OFFSET}(?:${NAME}(?:${OFFSET})?(?:${RULE}${RULE})?)?$`);

/** Where `struct tm` of 64-bit Linux has the offset and the zone's name. */
const TM_BYTES = 56;
const TM_GMTOFF = 40;
const TM_ZONE = 48;

interface Zone {
  /** Seconds east of UTC. */
  offset(millis: number): number;
  name(millis: number): string;
}

let current: { readonly tz: string | undefined; readonly zone: Zone } | undefined;

/** A date whose getters for UTC give the local date and time. @param millis since 1970 */
export function localDate(millis: number): Date {
  return new Date(millis + offsetAt(millis) * 1000);
}

/** Seconds that local time is ahead of UTC. @param millis since 1970 */
export function offsetAt(millis: number): number {
  return Number.isNaN(millis) ? 0 : zone().offset(millis);
}

/** `CEST`. @param millis since 1970 */
export function zoneNameAt(millis: number): string {
  return zone().name(millis);
}

/** What is wrong with TZ; undefined when it is obeyed. */
export function zoneProblem(tz = process.env.TZ): string | undefined {
  if (tz === undefined || tz === '' || isNamed(tz)) return undefined;
  const isKnown = POSIX.test(tz) || isZoneFile(tz.replace(/^:/, ''));
  if (!isKnown) return `TZ="${tz}" is no time zone: times are taken and shown in UTC`;
  return loadLibcZone() === undefined
    ? `TZ="${tz}" cannot be obeyed here: times are taken and shown in UTC`
    : undefined;
}

function zone(): Zone {
  const tz = process.env.TZ;
  if (current === undefined || current.tz !== tz)
    current = { tz, zone: tz === undefined || tz === '' || isNamed(tz) ? engineZone : (loadLibcZone() ?? engineZone) };
  return current.zone;
}

/** Whether the engine knows the zone by this name. */
function isNamed(tz: string): boolean {
  if (!/^[A-Za-z]/.test(tz)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: tz });
    return true;
  } catch {
    return false;
  }
}

function isZoneFile(path: string): boolean {
  try {
    return path !== '' && statSync(resolve(process.env.TZDIR ?? ZONE_FILES, path)).isFile();
  } catch {
    return false;
  }
}

const engineZone: Zone = {
  offset(millis) {
    const date = new Date(millis);
    const local = new Date(0);
    local.setUTCFullYear(date.getFullYear(), date.getMonth(), date.getDate());
    local.setUTCHours(date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds());
    return (local.getTime() - millis) / 1000;
  },
  name(millis) {
    const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(new Date(millis));
    return parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
  },
};

/** The zone of TZ as it is now; undefined where libc cannot be called. */
function loadLibcZone(): Zone | undefined {
  try {
    if (process.platform !== 'linux') return undefined;
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load(null);
    // Reads TZ again: it may have been changed since.
    libc.func('tzset', 'void', [])();
    const localtime = libc.func('localtime_r', 'intptr_t', ['const void *', 'void *']);
    const time = Buffer.alloc(8);
    const tm = Buffer.alloc(TM_BYTES);
    const fill = (millis: number): boolean => {
      time.writeBigInt64LE(BigInt(Math.floor(millis / 1000)));
      return Number(localtime(time, tm)) !== 0;
    };
    return {
      offset: (millis) => (fill(millis) ? Number(tm.readBigInt64LE(TM_GMTOFF)) : 0),
      name: (millis) => (fill(millis) ? String(koffi.decode(tm, TM_ZONE, 'const char *')) : 'UTC'),
    };
  } catch {
    return undefined;
  }
}
