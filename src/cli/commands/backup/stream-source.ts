import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { StreamSource } from '../../../backup/options.js';
import { normalize } from '../../../backup/sources.js';
import { systemReason, throwIfInterrupted, VarveError } from '../../../errors/errors.js';
import { childEnvironment } from '../../../storage/transport/child-environment.js';
import { pathBytes } from '../../program/arguments.js';
import type { Context } from '../../program/shell.js';
import { repositoryLocation } from '../../repository/open.js';
import { openStandardInput } from '../../terminal/standard-input.js';
import type { BackupFlags } from './options.js';

/** The stream of `--stdin` or `--stdin-from-command`; undefined for files and directories. */
export function streamFrom(context: Context, args: readonly string[], flags: BackupFlags): StreamSource | undefined {
  if (flags.stdin !== true && flags.stdinFromCommand !== true) return undefined;
  const path = normalize(pathBytes(flags.stdinFilename), Buffer.from('/'));
  if (path.length < 2) throw new VarveError('usage', `--stdin-filename: "${flags.stdinFilename}" is not a file name`);
  if (flags.stdin !== true) return { path, bytes: outputOf(args, context) };
  return {
    path,
    bytes: standardInput(
      openStandardInput(() => context.input),
      context.signal,
    ),
  };
}

async function* standardInput(input: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = (): void => void input.destroy();
  signal.addEventListener('abort', stop);
  try {
    for await (const bytes of input) yield bytes as Buffer;
  } catch (cause) {
    if (!signal.aborted) throw VarveError.from(cause, 'source', 'standard input');
  } finally {
    signal.removeEventListener('abort', stop);
  }
  refuseAborted(signal);
}

/** Throws at the end when the command fails, so that its partial output never becomes a snapshot. */
async function* outputOf(command: readonly string[], context: Context): AsyncGenerator<Uint8Array> {
  const [program = '', ...args] = command;
  const { signal } = context;
  const env = childEnvironment('source-command', context.environment, repositoryLocation(context));
  const child = spawn(program, args, { stdio: ['inherit', 'pipe', 'inherit'], env });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  const failure = once(child, 'close').then(
    () => undefined,
    (cause: unknown) => cause,
  );
  try {
    for await (const bytes of child.stdout) yield bytes as Buffer;
    const cause = await failure;
    refuseAborted(signal);
    if (cause !== undefined)
      throw new VarveError('usage', `cannot run ${program}: ${systemReason(cause)}; no snapshot was made`);
    const reason = child.signalCode === null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`;
    if (child.exitCode !== 0)
      throw new VarveError('internal', `command ${program} failed with ${reason}; no snapshot was made`);
  } finally {
    signal.removeEventListener('abort', stop);
    if (child.exitCode === null) stop();
  }
}

function refuseAborted(signal: AbortSignal): void {
  throwIfInterrupted(signal);
}
