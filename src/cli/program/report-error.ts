import { VarveError } from '../../errors/errors.js';
import { printableMessage } from '../text/escape.js';
import { columnsOf, wrapText } from '../text/wrap.js';
import type { Shell } from './shell.js';

/** Prints an error as a line on standard error, never a stack trace. @returns the exit code */
export function reportError(cause: unknown, shell: Shell, json: boolean): number {
  const error = VarveError.from(cause);
  if (json)
    shell.err.write(
      `${JSON.stringify({ message_type: 'exit_error', code: error.exitCode, message: error.message })}\n`,
    );
  else {
    const line = `${error.code === 'interrupted' ? '' : 'Fatal: '}${printableMessage(error.message)}`;
    shell.err.write(`${wrapText(line, columnsOf(shell.err))}\n`);
  }
  if (shell.environment.VARVE_DEBUG === '1') shell.err.write(`${stackOf(cause)}\n`);
  return error.exitCode;
}

function stackOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const below = cause.cause === undefined ? '' : `\nbecause of ${stackOf(cause.cause)}`;
  return (cause.stack ?? cause.message) + below;
}
