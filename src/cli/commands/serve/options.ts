// Turns the options of `serve` into options of the server, and refuses dangerous combinations.
// definition.ts declares the options; serve/ runs the server.
import { join } from 'node:path';
import { VarveError } from '../../../errors/errors.js';
import { parseSize } from '../../../filesystem/filter.js';
import { isOpen, parseAddress } from '../../../serve/address.js';
import type { QuotaLimits } from '../../../serve/quota.js';
import { combinedLine, type LogFormat, plainLine } from '../../../serve/request-log.js';
import type { ServeOptions } from '../../../serve/server.js';

export interface ServeFlags {
  readonly path?: string;
  readonly listen: string;
  readonly tls?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly htpasswdFile?: string;
  /** False for `--no-auth`. */
  readonly auth: boolean;
  readonly openToAll?: boolean;
  readonly privateRepos?: boolean;
  readonly appendOnly?: boolean;
  readonly appendOnlyUser?: readonly string[];
  readonly maxSize?: string;
  readonly maxSizeUser?: readonly string[];
  /** False for `--no-verify-upload`. */
  readonly verifyUpload: boolean;
  readonly prometheus?: boolean;
  readonly prometheusNoAuth?: boolean;
  readonly log?: string;
  readonly logFormat: string;
}

/** Parses the options. @throws VarveError `usage` */
export function serveOptions(flags: ServeFlags): Omit<ServeOptions, 'onNotice' | 'onRequest'> {
  const { path: root } = flags;
  if (root === undefined) throw new VarveError('usage', 'the directory is missing: --path DIRECTORY');
  if (flags.auth) refuseAlone(flags);
  else refuseWithoutLogin(flags);
  return {
    root,
    address: parseAddress(flags.listen),
    tls: tlsFiles(flags, root),
    passwordFile: flags.auth ? passwordFileOf(flags) : undefined,
    access: {
      privateRepositories: flags.privateRepos === true,
      appendOnly: flags.appendOnly === true,
      appendOnlyUsers: new Set(flags.appendOnlyUser),
    },
    quota: quotaLimits(flags),
    verifyUploads: flags.verifyUpload,
    metricsFor: metricsFor(flags),
  };
}

export function passwordFileOf({ htpasswdFile, path }: Pick<ServeFlags, 'htpasswdFile' | 'path'>): string {
  if (htpasswdFile !== undefined) return htpasswdFile;
  if (path === undefined)
    throw new VarveError('usage', 'no password file is given: --path DIRECTORY or --htpasswd-file FILE');
  return join(path, '.htpasswd');
}

export function logFormatOf({ logFormat }: ServeFlags): LogFormat {
  if (logFormat === 'plain') return plainLine;
  if (logFormat === 'combined') return combinedLine;
  throw new VarveError('usage', `--log-format: "${logFormat}" is neither plain nor combined`);
}

/** Whether passwords cross the network in the clear, unless a proxy or VPN encrypts them. */
export function isBare({ tls, passwordFile, address }: Omit<ServeOptions, 'onNotice'>): boolean {
  return tls === undefined && passwordFile !== undefined && isOpen(address);
}

function refuseAlone({ openToAll }: ServeFlags): void {
  if (openToAll === true) throw new VarveError('usage', '--open-to-all needs --no-auth');
}

function refuseWithoutLogin(flags: ServeFlags): void {
  const { privateRepos, appendOnlyUser, maxSizeUser, htpasswdFile, listen, openToAll } = flags;
  const options = { privateRepos, appendOnlyUser, maxSizeUser, htpasswdFile };
  const names = ['--private-repos', '--append-only-user', '--max-size-user', '--htpasswd-file'];
  const at = Object.values(options).findIndex((value) => value !== undefined);
  if (at >= 0)
    throw new VarveError(
      'usage',
      `--no-auth and ${names[at]} contradict each other: without logins there are no users`,
    );
  if (!isOpen(parseAddress(listen)) || openToAll === true) return;
  throw new VarveError(
    'usage',
    `--no-auth: anyone who reaches ${listen} could read and delete everything; use logins, or --listen 127.0.0.1:8000, or confirm with --open-to-all`,
  );
}

function tlsFiles({ tls, tlsCert, tlsKey }: ServeFlags, root: string): ServeOptions['tls'] {
  if (tls === true)
    return { certificate: tlsCert ?? join(root, 'public_key'), key: tlsKey ?? join(root, 'private_key') };
  if (tlsCert !== undefined || tlsKey !== undefined)
    throw new VarveError('usage', '--tls-cert and --tls-key need --tls');
  return undefined;
}

function metricsFor({ prometheus, prometheusNoAuth }: ServeFlags): ServeOptions['metricsFor'] {
  if (prometheusNoAuth === true) return 'all';
  return prometheus === true ? 'metrics-user' : 'none';
}

function quotaLimits({ maxSize, maxSizeUser = [], privateRepos }: ServeFlags): QuotaLimits {
  if (maxSizeUser.length > 0 && privateRepos !== true)
    throw new VarveError('usage', '--max-size-user needs --private-repos');
  const byUser = new Map<string, number>();
  let eachUser: number | undefined;
  for (const text of maxSizeUser) {
    const at = text.lastIndexOf('=');
    const size = sizeOf(text.slice(at + 1), '--max-size-user');
    if (at < 0) eachUser = size;
    else byUser.set(text.slice(0, at), size);
  }
  return { all: maxSize === undefined ? undefined : sizeOf(maxSize, '--max-size'), eachUser, byUser };
}

function sizeOf(text: string, option: string): number {
  try {
    return parseSize(text);
  } catch {
    throw new VarveError('usage', `${option}: "${text}" is not a size such as 500G or 2T`);
  }
}
