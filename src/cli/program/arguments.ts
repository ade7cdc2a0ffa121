// Arguments, paths and the working directory as exact bytes.
// commander parses the text form; byte-text.ts converts.
import { Buffer } from 'node:buffer';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { bytesToText, textToBytes } from '../../filesystem/byte-text.js';

const REPLACED = '\ufffd';

/**
 * The command line's arguments with all bytes. Node replaces bytes that are not UTF-8; this reads them from /proc and keeps them as `byte-
 * text` does.
 *
 * @param args as Node gives them, without the program
 */
export function exactArguments(args: readonly string[]): string[] {
  if (!args.some((arg) => arg.includes(REPLACED))) return [...args];
  const raw = rawArguments(args.length);
  return args.map((arg, at) => (raw[at] !== undefined && raw[at].toString() === arg ? bytesToText(raw[at]) : arg));
}

function rawArguments(count: number): Buffer[] {
  try {
    const bytes = readFileSync('/proc/self/cmdline');
    const all: Buffer[] = [];
    for (let at = 0, end = bytes.indexOf(0); end >= 0; at = end + 1, end = bytes.indexOf(0, at))
      all.push(bytes.subarray(at, end));
    return all.slice(all.length - count);
  } catch {
    return [];
  }
}

/** A path from the command line as bytes. */
export const pathBytes = textToBytes;

/**
 * The working directory as bytes. As in Go and restic, it is $PWD where that is the same directory: $PWD keeps the symbolic links that the
 * user followed.
 */
export function workingDirectory(): Buffer {
  const text = process.cwd();
  const { PWD } = process.env;
  if (PWD !== undefined && PWD !== text && isAbsolute(PWD) && isWorkingDirectory(PWD)) return textToBytes(PWD);
  if (!text.includes(REPLACED)) return Buffer.from(text);
  try {
    return readlinkSync('/proc/self/cwd', { encoding: 'buffer' });
  } catch {
    return Buffer.from(text);
  }
}

function isWorkingDirectory(path: string): boolean {
  try {
    const [there, here] = [path, '.'].map((each) => statSync(each, { bigint: true }));
    return there !== undefined && there.dev === here?.dev && there.ino === here.ino;
  } catch {
    return false;
  }
}
