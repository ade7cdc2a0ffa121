/** Judges the exit code and the words of a run under a fault. */
import type { Run, Sound } from './traces.js';

/** Words for an object that is not what it should be, or not there. Nothing of the kind is so in these runs. */
const ACCUSATIONS =
  /damaged|corrupt|\blost\b|\bloses?\b|tampered|forged|thief|stolen|truncated|ends early|is missing|missing from|put back|put it back|repair (packs|index|snapshots)|wrong password|no repository|does not exist|is gone|altered/gi;
const HARMLESS = /(nothing|no data)[^.;:]*\b(is|are) lost/g;
const RAW = /^\s+at .*:\d+|node:internal|UnhandledPromise|ERR_[A-Z_]+|Assertion|uv_|undefined|Unknown system error/m;
const MOST_LINES = 40;

/** Durations, sizes on disk, and ids of new objects differ between two runs; a check reads a pack whole whose first try fails. */
export function comparable(text: string): string {
  return text
    .replace(/\b\d+:\d\d(:\d\d)?\b/g, 'TIME')
    .replace(/\b[0-9a-f]{8,64}\b/g, 'ID')
    .replace(/\d+(\.\d+)? (s|ms)\b/g, 'DURATION')
    .replace(/[\d.]+ [KMG]?i?B/g, 'BYTES')
    .replace('; read BYTES of BYTES', '');
}

export function judgeWords({ command, area, fault, ended, report }: Run, sound: Sound): string[] {
  const { code, out, err } = ended;
  if (code === undefined) return ['did not end'];
  const problems: string[] = [];
  if (![0, 1, 3].includes(code)) problems.push(`exit code ${code}`);
  if (code === 3 && !mayBePartial(command.name, area)) problems.push('exit code 3');
  if (area === 'cache' && code !== 0) problems.push(`exit code ${code} because of the cache`);
  if (RAW.test(err)) problems.push('raw text of Node');
  const usual = accusations(sound.ended.out + sound.ended.err);
  const accused = accusations(out + err).filter((word) => !usual.includes(word));
  if (accused.length > 0) problems.push(`accuses: ${accused.join(', ')}`);
  const namesAny = fault.mode === 'ever' && /[0-9a-f]{64}|^error: \/.+: /m.test(err);
  const failed = code !== 0 || (command.mounts === true && /\tEIO$/m.test(out));
  if (
    failed &&
    !namesAny &&
    !names(err + (ended.log ?? '') + (command.triesPlace === undefined ? '' : out), report.path)
  )
    problems.push('does not name the path');
  if (err.split('\n').length > MOST_LINES) problems.push('many lines');
  return problems;
}

/** Exit code 3: a snapshot lacks something, or some of several snapshots could not be dealt with. */
function mayBePartial(name: string, area: string): boolean {
  if (/^(forget|tag|copy|rewrite|repair snapshots)/.test(name)) return area === 'repository' || area === 'other';
  return area === 'source' && name.startsWith('backup');
}

function accusations(text: string): string[] {
  return [...new Set(text.replace(HARMLESS, '').match(ACCUSATIONS) ?? [])];
}

/** Whether a text has the path or its object; for a temporary file its directory, or an object. */
function names(text: string, path: string): boolean {
  const name = nameOf(path);
  if (text.includes(path)) return true;
  if (/^[0-9a-f]{64}$/.test(name)) return text.includes(name.slice(0, 8));
  if (name.startsWith('.tmp-')) return text.includes(parent(path)) || /[0-9a-f]{64}/.test(text);
  if (name.startsWith('.varve-')) return text.includes(`${nameOf(parent(path))}/`) || /^error: \/.+: /m.test(text);
  return text.includes(`/${name}`) || text.includes(`${name}/`) || text.includes(`${name}:`);
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const parent = (path: string): string => path.slice(0, path.lastIndexOf('/'));
