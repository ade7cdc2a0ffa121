import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN } from '../cli/main-program.js';
import { htpasswd } from '../serve/htpasswd.js';
import type { RestServer } from './rclone.js';
import { startProgram } from './started-program.js';

/** @param options such as --append-only and --private-repos; without `users` anybody may come */
export function startVarveServe(
  directory: string,
  users: Readonly<Record<string, string>> | undefined,
  ...options: string[]
): Promise<RestServer> {
  return startVarveServeWith({}, directory, users, ...options);
}

/** @param environment variables besides those of this process */
export async function startVarveServeWith(
  environment: Readonly<Record<string, string>>,
  directory: string,
  users: Readonly<Record<string, string>> | undefined,
  ...options: string[]
): Promise<RestServer> {
  if (users !== undefined) writeFileSync(join(directory, '.htpasswd'), htpasswd(users));
  const login = users === undefined ? ['--no-auth'] : [];
  const args = [MAIN, 'serve', '--path', directory, '--listen', '127.0.0.1:0', ...login, ...options];
  const { ready, output, kill, stop } = await startProgram(
    process.execPath,
    args,
    /serving .* at https?:\/\/([^/\s]+)\/ .*\n/,
    { ...process.env, XDG_CACHE_HOME: join(directory, '.cache'), ...environment },
  );
  return { host: ready[1] ?? '', output, kill, stop };
}
