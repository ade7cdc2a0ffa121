import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';

const MOST_OUTPUT = 2 ** 30;

/** The system's own programs that a comparison asks, by Debian's packages. */
const PROGRAMS = { rsync: 'rsync', getfattr: 'attr', getfacl: 'acl', getcap: 'libcap2-bin' };

/** What is missing for a comparison on this machine; undefined when nothing is. */
export function missingPrograms(): string | undefined {
  const missing = Object.entries(PROGRAMS).filter(
    ([program]) => spawnSync('sh', ['-c', `command -v ${program}`], { env: environment }).status !== 0,
  );
  return missing.length === 0 ? undefined : `needs the packages ${missing.map(([, name]) => name).join(', ')}`;
}

/** Some of them are for administrators, and not in everybody's path. */
const environment = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' };

/**
 * Runs a program in a directory, and gives what it prints, a byte a character.
 *
 * @throws when it complains
 */
export function output(directory: string, command: readonly string[], input?: Buffer): string {
  const [program = '', ...args] = command;
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    cwd: directory,
    env: environment,
    input,
    maxBuffer: MOST_OUTPUT,
  });
  if (error !== undefined) throw error;
  if (status !== 0 || stderr.length > 0)
    throw new Error(`${command.join(' ')}: exit code ${status}: ${stderr.toString('latin1').slice(0, 2000)}`);
  return stdout.toString('latin1');
}

/** The same for a program that takes names: as many at a time as fit on its command line. */
export function outputFor(directory: string, command: readonly string[], names: readonly string[]): string {
  if (names.length === 0) return '';
  return output(directory, ['xargs', '-0', '-r', ...command], listOf(names.map((name) => `./${name}`)));
}

/** Names with a zero byte after each. */
export const listOf = (names: readonly string[]): Buffer =>
  Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');

/** The parts of a text that ends with a zero byte. */
export function splitZero(text: string): string[] {
  const parts = text.split('\0');
  parts.pop();
  return parts;
}
