// Reads lists of files and patterns.
// patterns.ts parses the patterns.
import { Buffer } from 'node:buffer';
import { lstatSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { bytesToText, textToBytes } from './byte-text.js';
import { BadGlob, componentSource, GroupNames } from './glob-syntax.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What Go's `strings.TrimSpace` takes away; unlike `trim()`, which differs in two characters. */
const SPACE = '[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+';
const OUTER_SPACE = new RegExp(`^${SPACE}|${SPACE}$`, 'g');

const VERBATIM = '--files-from-verbatim takes each line as the path itself';

/**
 * `--files-from`: a glob a line, with outer white space, empty lines and lines that start with # left out.
 *
 * @param warn hears of a line that matches no file
 * @throws VarveError `usage` for a line that is no glob
 */
export function readFilesFrom(file: string, warn: (message: string) => void = () => {}): Buffer[] {
  return meaningfulLines(file, '--files-from').flatMap((line) => {
    const found = expandLine(file, line);
    if (found.length === 0)
      warn(
        `${file}: '${line}' matches no file${exists(textToBytes(line)) ? `, but it is the name of one: ${VERBATIM}` : ''}`,
      );
    return found;
  });
}

function expandLine(file: string, line: string): Buffer[] {
  try {
    return expandGlob(line);
  } catch (cause) {
    throw new VarveError('usage', `${file}: ${VarveError.from(cause).message}; ${VERBATIM}`, { cause });
  }
}

/** `--files-from-verbatim`: a path a line, as it stands; only empty lines are left out. */
export function readFilesFromVerbatim(file: string): Buffer[] {
  return splitLines(readText(file, '--files-from-verbatim')).filter((line) => line.length > 0);
}

/** `--files-from-raw`: paths of any bytes, each with a NUL byte after it. */
export function readFilesFromRaw(file: string): Buffer[] {
  const bytes = readList(file, '--files-from-raw');
  if (bytes.length > 0 && bytes[bytes.length - 1] !== 0)
    throw new VarveError('usage', `--files-from-raw ${file}: there is no zero byte after the last name`);
  const names = split(bytes, 0);
  if (names.some((name) => name.length === 0))
    throw new VarveError('usage', `--files-from-raw ${file}: an empty name is in the list`);
  return names;
}

/**
 * `--exclude-file`, `--include-file`: a pattern a line, trimmed and without comments as in `readFilesFrom`. `$NAME`
 * and `${NAME}` become what the environment has for them (nothing when it has nothing), `$$` becomes `$`.
 *
 * @param warn hears of a variable that is not set: it may be a part of a name, as in `$RECYCLE.BIN`
 * @param option the option that names the file, for errors
 */
export function readPatternFile(
  file: string,
  environment: Environment,
  warn: (message: string) => void,
  option = '--exclude-file',
): string[] {
  return meaningfulLines(file, option).map((line) => {
    const unset = (variable: string): void =>
      warn(
        `${file}: '${line}': the variable ${variable} is not set; write $$ for a dollar sign that belongs to a name`,
      );
    return expandVariables(line, environment, unset);
  });
}

/** The paths that match a glob of Go's `filepath.Glob`, sorted; directories that cannot be read count as empty. */
export function expandGlob(pattern: string): Buffer[] {
  if (!/[*?[\\]/.test(pattern)) {
    const path = textToBytes(pattern);
    return exists(path) ? [path] : [];
  }
  const components = textToBytes(pattern).toString('latin1').split(/\/+/);
  let found: Buffer[] = [Buffer.alloc(0)];
  components.forEach((component, at) => {
    found = expandComponent(found, at, component, pattern);
  });
  return found.filter(exists);
}

function expandComponent(directories: readonly Buffer[], at: number, component: string, pattern: string): Buffer[] {
  const slash = Buffer.from(at === 0 ? '' : '/');
  const literal = Buffer.from(component, 'latin1');
  if (!/[*?[\\]/.test(component)) return directories.map((directory) => Buffer.concat([directory, slash, literal]));
  const glob = compileComponent(component, pattern);
  return directories.flatMap((directory) => {
    const names = namesIn(at === 0 ? Buffer.from('.') : Buffer.concat([directory, slash]));
    const matching = names.filter((name) => glob.test(name.toString('latin1')));
    return matching.map((name) => Buffer.concat([directory, slash, name]));
  });
}

function compileComponent(component: string, pattern: string): RegExp {
  try {
    return new RegExp(`^${componentSource(component, new GroupNames())}$`);
  } catch (error) {
    if (!(error instanceof BadGlob)) throw error;
    throw new VarveError('usage', `pattern '${pattern}' is malformed: ${error.message}`);
  }
}

function namesIn(directory: Buffer): Buffer[] {
  try {
    if (!statSync(directory).isDirectory()) return [];
    return readdirSync(directory, { encoding: 'buffer' }).sort(Buffer.compare);
  } catch {
    return [];
  }
}

function exists(path: Buffer): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function meaningfulLines(file: string, option: string): string[] {
  const lines = splitLines(readText(file, option)).map((line) => bytesToText(line).replace(OUTER_SPACE, ''));
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

/** Lines end with LF or CRLF. */
function splitLines(bytes: Buffer): Buffer[] {
  return split(bytes, 0x0a).map((line) => (line[line.length - 1] === 0x0d ? line.subarray(0, -1) : line));
}

/** The pieces that each end with this byte; the last may lack it. */
function split(bytes: Buffer, end: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(end, at);
    const stop = found < 0 ? bytes.length : found;
    pieces.push(bytes.subarray(at, stop));
    at = stop + 1;
  }
  return pieces;
}

/** A text file's bytes without its byte order mark; UTF-16 becomes UTF-8. Standard input is taken as it is. */
function readText(file: string, option: string): Buffer {
  const bytes = readList(file, option);
  if (file === '-') return bytes;
  const start = bytes.toString('hex', 0, 3);
  if (start === 'efbbbf') return bytes.subarray(3);
  if (start.startsWith('fffe')) return Buffer.from(new TextDecoder('utf-16le').decode(bytes));
  if (start.startsWith('feff')) return Buffer.from(new TextDecoder('utf-16be').decode(bytes));
  return bytes;
}

function readList(file: string, option: string): Buffer {
  try {
    return file === '-' ? readStandardInput() : readFileSync(file);
  } catch (error) {
    const what = file === '-' ? 'standard input' : file;
    throw new VarveError('usage', `${option}: cannot read ${what}: ${systemReason(error)}`, { cause: error });
  }
}

/** Also from a terminal or a pipe that does not block, where `fs` says EAGAIN until there is something. */
function readStandardInput(): Buffer {
  const pieces: Buffer[] = [];
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const piece = Buffer.alloc(65536);
    try {
      const read = readSync(0, piece, 0, piece.length, null);
      if (read === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, read));
    } catch (error) {
      if (errnoCode(error) !== 'EAGAIN') throw error;
      Atomics.wait(clock, 0, 0, 20);
    }
  }
}

/**
 * As Go's `os.Expand`: a name is letters, digits and _, or one digit or one of `*#$@!?-`, or whatever is in braces.
 *
 * @param unset hears of each variable that the environment does not have, as it is written
 */
function expandVariables(line: string, environment: Environment, unset: (variable: string) => void): string {
  const value = (written: string, name: string): string => {
    if (name === '$') return '$';
    const found = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (found === undefined) unset(written);
    return found ?? '';
  };
  return line.replace(
    /\$(?:\{([^}]*)\}|\{|([*#$@!?\-0-9]|[A-Za-z_][A-Za-z0-9_]*))/g,
    (written: string, braced?: string, bare?: string) => value(written, braced ?? bare ?? ''),
  );
}
