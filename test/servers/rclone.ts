import { missingPrograms } from './programs.js';
import { type Started, startProgram } from './started-program.js';

export const RCLONE_MISSING = missingPrograms(['rclone'], 'rclone');

/** A server of the REST protocol. */
export interface RestServer extends Pick<Started, 'output' | 'kill' | 'stop'> {
  /** "127.0.0.1:PORT" */
  readonly host: string;
}

/**
 * `rclone serve restic` over a directory.
 *
 * @param options such as --append-only, --user and --pass, --cert and --key
 */
export async function startRclone(directory: string, ...options: string[]): Promise<RestServer> {
  const args = ['serve', 'restic', '--addr', '127.0.0.1:0', '--config', '', ...options, directory];
  const { ready, output, kill, stop } = await startProgram(
    'rclone',
    args,
    /Serving restic REST API on \S+?:\/\/([^/\s]+)/,
  );
  return { host: ready[1] ?? '', output, kill, stop };
}
