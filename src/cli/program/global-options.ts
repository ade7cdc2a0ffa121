// Options that all commands take, and values derived from them.
// Each use is elsewhere, for example in repository/open.ts.
import { type Command, Option } from 'commander';
import { type Compression, parseCompression } from '../../compression/policy.js';
import { VarveError } from '../../errors/errors.js';

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly repo?: string;
  readonly repositoryFile?: string;
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
  readonly keyFile?: string;
  readonly keyHint?: string;
  readonly insecureNoPassword?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: number;
  readonly cacheDir?: string;
  /** False for `--no-cache`. */
  readonly cache?: boolean;
  readonly compression?: string;
  readonly packSize?: string;
  /** `NAME=VALUE` each. */
  readonly option?: readonly string[];
  readonly limitUpload?: string;
  readonly limitDownload?: string;
  readonly connections?: string;
  readonly cacert?: string;
  readonly httpUserAgent?: string;
  readonly tlsClientCert?: string;
  readonly insecureTls?: boolean;
  readonly stuckRequestTimeout?: string;
  readonly retryFor?: string;
  readonly objectLock?: string;
  readonly debug?: boolean;
}

export const GLOBAL_GROUP = 'Global options:';

export function addGlobalOptions(command: Command): Command {
  const add = (flags: string, description: string): Option => {
    const option = new Option(flags, description).helpGroup(GLOBAL_GROUP);
    command.addOption(option);
    return option;
  };
  add('-r, --repo <location>', 'the repository: a directory, s3:…, sftp:…, rest:… or rclone:… ($VARVE_REPOSITORY)');
  add('--repository-file <file>', 'file with the location of the repository ($VARVE_REPOSITORY_FILE)');
  add('-p, --password-file <file>', 'file with the password ($VARVE_PASSWORD_FILE)');
  add('--password-command <command>', 'command that prints the password ($VARVE_PASSWORD_COMMAND)');
  add('--key-file <file>', 'file with 32 raw bytes that opens a key, instead of a password ($VARVE_KEY_FILE)');
  add('--key-hint <id>', 'id of the key to try, or a prefix of it ($VARVE_KEY_HINT)');
  add('--insecure-no-password', 'the password is empty: anyone with access to the repository can read it');
  add('--json', 'print JSON, for programs');
  add('-q, --quiet', 'print only the result');
  add('-v, --verbose', 'print more; twice: every file').argParser(
    (_: unknown, before: number | undefined) => (before ?? 0) + 1,
  );
  add(
    '--cache-dir <directory>',
    'directory of the cache ($VARVE_CACHE_DIR; default: $XDG_CACHE_HOME/varve or ~/.cache/varve)',
  );
  add('--no-cache', 'use no cache on this machine');
  add('--no-lock', 'accepted for compatibility: locks never block').hideHelp();
  add('--retry-lock <duration>', 'accepted for compatibility: locks never block').hideHelp();
  add('--cleanup-cache', 'accepted for compatibility: the cache cleans itself up').hideHelp();
  add('--no-extra-verify', 'accepted for compatibility: varve does not decrypt what it has just encrypted');
  add('--compression <mode>', 'auto, off, fastest, better or max ($VARVE_COMPRESSION; default: auto)');
  add('--pack-size <MiB>', 'size of pack files, 4 to 128 ($VARVE_PACK_SIZE; default: 16)');
  addStoreOptions(add);
  return command;
}

/** Options for remote stores. */
function addStoreOptions(add: (flags: string, description: string) => Option): void {
  add('-o, --option <name=value>', 'option of a store, such as s3.storage-class=GLACIER_IR; repeatable').argParser(
    (value: string, before: readonly string[] = []) => [...before, value],
  );
  add('--limit-upload <KiB>', 'limit for sending in KiB/s (default: no limit)');
  add('--limit-download <KiB>', 'limit for receiving in KiB/s (default: no limit)');
  add('--connections <number>', 'number of requests at a time (default: depends on the store)');
  add('--cacert <file>', 'PEM file of certificates to trust instead of the usual ones ($VARVE_CACERT)');
  add('--tls-client-cert <file>', "PEM file with this client's certificate and private key ($VARVE_TLS_CLIENT_CERT)");
  add(
    '--insecure-tls',
    'do not verify the certificate of the server: an attacker on the network can read and change the traffic',
  );
  add('--http-user-agent <text>', 'user agent for HTTP servers ($VARVE_HTTP_USER_AGENT)');
  add(
    '--stuck-request-timeout <duration>',
    'cancel a request after this long without progress, and try again (default: 5m)',
  );
  add(
    '--retry-for <duration>',
    'how long to retry failed requests, from the first failure (default: 15m; 0: do not retry)',
  );
  add(
    '--object-lock <term>',
    'S3: lock new objects for days or years, such as 30d; prune extends the locks of data in use ($VARVE_OBJECT_LOCK)',
  );
  add('--debug', 'log each request to the store to standard error, or to the file in $VARVE_DEBUG_LOG');
}

/** The options of a command and its parents; the one nearest to the command wins. */
export function globalOptions(command: Command): GlobalOptions {
  const chain: Command[] = [];
  for (let each: Command | null = command; each !== null; each = each.parent) chain.unshift(each);
  const merged: Record<string, unknown> = {};
  let verbose = 0;
  const option = chain.flatMap((each) => (each.opts() as GlobalOptions).option ?? []);
  for (const each of chain) {
    for (const [name, value] of Object.entries(each.opts())) {
      if (value === undefined || each.getOptionValueSource(name) === 'default') continue;
      merged[name] = value;
    }
    verbose += Number(each.opts().verbose ?? 0);
  }
  return { ...merged, verbose, option } as GlobalOptions;
}

const MEBIBYTE = 1024 * 1024;
const SMALLEST_PACK = 4;
const LARGEST_PACK = 128;

/** Bytes, or undefined for the default. */
export function packTarget(globals: GlobalOptions, environment: NodeJS.ProcessEnv): number | undefined {
  const text = globals.packSize ?? (environment.VARVE_PACK_SIZE || undefined);
  if (text === undefined) return undefined;
  const size = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (size >= SMALLEST_PACK && size <= LARGEST_PACK) return size * MEBIBYTE;
  throw new VarveError(
    'usage',
    `--pack-size: "${text}" is not a number of MiB from ${SMALLEST_PACK} to ${LARGEST_PACK}`,
  );
}

/** The compression mode. */
export function compressionFrom({
  globals,
  environment,
}: {
  readonly globals: GlobalOptions;
  readonly environment: NodeJS.ProcessEnv;
}): Compression {
  return parseCompression(globals.compression ?? (environment.VARVE_COMPRESSION || 'auto'));
}
