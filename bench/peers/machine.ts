import { cpus, release, totalmem } from 'node:os';
import type { Program } from './programs/program.js';

/** Describes the machine and the programs, without anything that identifies the owner. */
export function setting(programs: readonly Program[]): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const versions = programs.map(({ name, version, note }) => `${name} ${version}${note ? ` (${note})` : ''}`);
  return [
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores of ${first?.model.trim() ?? 'an unknown CPU'}, ${memory} GiB of memory,`,
    `Linux ${release().split('-')[0]}, Node ${process.version}; ${versions.join(', ')}.`,
  ].join('\n');
}
