import { once } from 'node:events';
import { type ServeOptions, type Server, serve } from '../../../serve/server.js';
import type { Context } from '../../program/shell.js';
import { warnOfMissingDisk } from '../../repository/missing-disk.js';
import { counted } from '../../text/units.js';
import { openLog } from './log-file.js';
import { isBare, logFormatOf, type ServeFlags, serveOptions } from './options.js';

/** Milliseconds that running requests have to finish after a signal. */
const GRACE = 10_000;

/** Serves until a signal ends it. */
export async function serveCommand(context: Context, flags: ServeFlags): Promise<number> {
  const options = serveOptions(flags);
  const format = logFormatOf(flags);
  const log = flags.log === undefined ? undefined : await openLog(context, flags.log, format);
  const onNotice = (text: string): void => context.output.warn(text);
  warnOfMissingDisk(context, options.root);
  const server = await serve({ ...options, onNotice, onRequest: log?.write });
  context.outliveReader();
  reportStart(context, server, options);
  if (!context.signal.aborted) await once(context.signal, 'abort');
  context.output.message('stopping: waiting for running requests');
  context.output.flush();
  await server.stop(GRACE);
  await log?.close();
  return 0;
}

function reportStart({ output }: Context, server: Server, options: Omit<ServeOptions, 'onNotice'>): void {
  const { location, users } = server;
  const who = users === undefined ? 'nobody has to log in' : counted(users, 'user');
  if (output.json) output.object({ message_type: 'listening', address: location, path: options.root });
  else output.message(`serving ${options.root} at ${location} (${who})`);
  output.flush();
  if (users === 0) output.warn(`${options.passwordFile} has no users: nobody can log in until one is added`);
  if (isBare(options))
    output.warn('without --tls passwords can be read on their way, unless a VPN or a proxy before it encrypts them');
}
