/** Checks standard input before it is read: closed or unreadable input is not empty input. */
import { createReadStream, fstatSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { VarveError } from '../../errors/errors.js';

const STDIN = 0;
/** The bits of an open file's flags that hold its access mode, and the value for reading and writing. */
const ACCESS = 0b11;
const READ_AND_WRITE = 0b10;

/** Standard input as a stream of bytes. Node treats directories and block devices as empty, so they are read as files. */
export function openStandardInput(input: () => Readable): Readable {
  refuseClosedInput('--stdin');
  const kind = fstatSync(STDIN);
  if (kind.isDirectory()) throw new VarveError('usage', '--stdin: standard input is a directory: give it as a path');
  if (kind.isFIFO() || kind.isSocket() || isatty(STDIN)) return input();
  return createReadStream('', { fd: STDIN, autoClose: false });
}

/**
 * Fails when standard input was closed at the start: Node then opens /dev/null for reading and writing in its place.
 *
 * @param option the option that reads it, for the error
 */
export function refuseClosedInput(option: string): void {
  if (!fstatSync(STDIN).isCharacterDevice() || !isNull()) return;
  if ((accessOf(STDIN) & ACCESS) === READ_AND_WRITE)
    throw new VarveError('usage', `${option}: standard input is closed`);
}

function isNull(): boolean {
  return fstatSync(STDIN).rdev === NULL_DEVICE;
}

/** Major 1, minor 3. */
const NULL_DEVICE = 0x103;

/** The flags of an open file; 0 where the system has no /proc. */
function accessOf(descriptor: number): number {
  try {
    const [, flags] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')) ?? [];
    return Number.parseInt(flags ?? '0', 8);
  } catch {
    return 0;
  }
}
