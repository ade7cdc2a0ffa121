import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { htpasswd } from '../serve/htpasswd.js';
import { missingPrograms, programPath } from './programs.js';
import type { RestServer } from './rclone.js';
import { startProgram } from './started-program.js';

const MODULE = 'github.com/restic/rest-server/cmd/rest-server';
const VERSION = 'v0.14.0';
const BUILD_MINUTES = 5;

/** restic's own server: the one that the environment variable VARVE_REST_SERVER names, "build" for one that is built once with Go; or from the PATH. */
export const REST_SERVER = findOrBuild();
/** Why tests of it are left out, or false. */
export const REST_SERVER_MISSING = 'missing' in REST_SERVER && REST_SERVER.missing;

function findOrBuild(): { readonly program: string } | { readonly missing: string } {
  const given = process.env.VARVE_REST_SERVER;
  if (given && given !== 'build') return { program: given };
  const installed = programPath('rest-server');
  if (installed !== undefined) return { program: installed };
  if (!given) return { missing: 'no rest-server: VARVE_REST_SERVER can name one, or be "build" when there is Go' };
  const directory = join(tmpdir(), `varve-rest-server-${VERSION}`);
  const program = join(directory, 'rest-server');
  if (existsSync(program)) return { program };
  try {
    if (missingPrograms(['go'], 'golang-go') !== false) throw new Error('there is no Go to build it with');
    build(directory, program);
    return { program };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return { missing: `no rest-server: ${why}` };
  }
}

function build(directory: string, program: string): void {
  mkdirSync(directory, { recursive: true });
  const scratch = mkdtempSync(join(directory, 'build-'));
  try {
    const go = (...args: string[]): void => {
      execFileSync('go', args, { cwd: scratch, stdio: 'pipe', timeout: BUILD_MINUTES * 60_000 });
    };
    go('mod', 'init', 'scratch');
    go('get', `${MODULE}@${VERSION}`);
    go('build', '-o', 'rest-server', MODULE);
    renameSync(join(scratch, 'rest-server'), program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @param options such as --append-only and --private-repos; without `users` anybody may come */
export async function startRestServer(
  directory: string,
  users: Readonly<Record<string, string>> | undefined,
  ...options: string[]
): Promise<RestServer> {
  if ('missing' in REST_SERVER) throw new Error(REST_SERVER.missing);
  if (users !== undefined) writeFileSync(join(directory, '.htpasswd'), htpasswd(users));
  const login = users === undefined ? ['--no-auth'] : [];
  const args = ['--path', directory, '--listen', '127.0.0.1:0', ...login, ...options];
  const { ready, output, kill, stop } = await startProgram(REST_SERVER.program, args, /start server on (\S+)/);
  return { host: ready[1] ?? '', output, kill, stop };
}
