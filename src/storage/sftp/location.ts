// Parses locations of SFTP, and builds the command for them.
// connection.ts runs it.
import { VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { splitWords } from '../transport/words.js';

/** The location of a repository behind SFTP. */
export interface SftpLocation {
  readonly user?: string | undefined;
  readonly host: string;
  readonly port?: string | undefined;
  /** Absolute, or relative to the server's start directory. Without a slash at the end, except for the root. */
  readonly path: string;
}

/**
 * Parses `user@host:path`, or `//user@host:port/path`, where an absolute path begins with a second slash.
 *
 * @throws VarveError `usage` for an invalid location
 */
export function parseLocation(rest: string): SftpLocation {
  const { path, ...server } = rest.startsWith('//') ? parseUrl(rest) : parseShort(rest);
  if (server.user?.includes(':')) throw wrong('it must not contain a password: ssh asks for it, or better, uses a key');
  for (const [what, value] of [
    ['host', server.host],
    ['user', server.user],
  ] as const) {
    if (value === '' || value?.startsWith('-') || /[\s\p{C}]/u.test(value ?? ''))
      throw wrong(`"${value}" is not a valid ${what}`);
  }
  if (path === '') throw wrong('the directory is missing');
  if (path.includes('\0')) throw wrong('a directory has a NUL in its name');
  if (path.startsWith('~'))
    throw wrong('~ does not work there: a path without / at the start is below your home directory');
  return { ...server, path: path.replace(/(?<=.)\/+$/, '') };
}

function parseShort(rest: string): SftpLocation {
  const [, account, bracketed, plain, path] = /^(?:(.*)@)?(?:\[([^\]]*)\]|([^:@]*)):(.*)$/s.exec(rest) ?? [];
  if (path === undefined) throw wrong('write it as sftp:USER@HOST:/PATH, or sftp://USER@HOST:PORT//PATH');
  return { user: account, host: bracketed ?? plain ?? '', path };
}

function parseUrl(rest: string): SftpLocation {
  const [, account, bracketed, plain, port, path = ''] =
    /^\/\/(?:([^/]*)@)?(?:\[([^\]/]*)\]|([^:@/]*))(?::([^/]*))?(?:\/(.*))?$/s.exec(rest) ?? [];
  if (port !== undefined && !/^[1-9]\d{0,4}$/.test(port)) throw wrong(`"${port}" is not a port`);
  return {
    user: account === undefined ? undefined : decoded(account),
    host: bracketed ?? plain ?? '',
    port,
    path: decoded(path),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('a % must come before two hexadecimal digits; write %25 for a % itself');
  }
}

/**
 * The command for the connection: `-o sftp.command=`, or ssh with `-o sftp.args=`.
 *
 * @param unasked whether ssh must not ask the user anything; the user's own command does not get it
 * @throws VarveError `usage`
 */
export function commandFor(
  { user, host, port }: SftpLocation,
  { extended }: StoreSettings,
  unasked = false,
): [string, ...string[]] {
  const command = extended.get('sftp.command');
  const args = extended.get('sftp.args');
  if (command !== undefined) {
    if (args !== undefined) throw new VarveError('usage', '-o sftp.command and -o sftp.args exclude each other');
    const [program, ...rest] = splitWords(command, '-o sftp.command');
    if (program === undefined) throw new VarveError('usage', '-o sftp.command: the command is missing');
    return [program, ...rest];
  }
  return [
    'ssh',
    // sftp turns these off in ssh too.
    ...['ForwardX11=no', 'ForwardAgent=no', 'PermitLocalCommand=no', 'ClearAllForwardings=yes'].map((o) => `-o${o}`),
    ...(unasked ? ['-oBatchMode=yes'] : []),
    ...splitWords(args ?? '', '-o sftp.args'),
    ...(port === undefined ? [] : ['-p', port]),
    ...(user === undefined ? [] : ['-l', user]),
    '-s',
    '--',
    host,
    'sftp',
  ];
}

const wrong = (why: string): VarveError => new VarveError('usage', `not a valid sftp: location: ${why}`);
