import { VarveError } from '../../errors/errors.js';
import { type PatternFlags, patternsFrom } from '../backup/options.js';
import { type RemakeFlags, remakeChosen } from '../remake/command.js';
import type { Context } from '../shell.js';
import { printable } from '../text/escape.js';
import { parseTimeOption } from '../text/time.js';

export interface RewriteFlags extends RemakeFlags, PatternFlags {
  readonly newHost?: string;
  readonly newTime?: string;
  readonly snapshotSummary?: boolean;
}

export async function rewriteCommand(context: Context, ids: readonly string[], flags: RewriteFlags): Promise<number> {
  const { newHost, snapshotSummary: summary = false } = flags;
  const patterns = patternsFrom(context, flags);
  const newTime = flags.newTime === undefined ? undefined : parseTimeOption(flags.newTime, '--new-time');
  const excludes = patterns.excludes.length + patterns.iexcludes.length;
  if (excludes === 0 && newHost === undefined && newTime === undefined && !summary)
    throw new VarveError(
      'usage',
      'nothing to do: say what to leave out with --exclude, or give --new-host, --new-time or --snapshot-summary',
    );
  const { rewriteSnapshots } = await import('../../copy/rewrite.js');
  return remakeChosen(context, ids, flags, 'rewrite snapshots', (repository, chosen, settings, tell) =>
    rewriteSnapshots(repository, chosen, {
      ...settings,
      ...patterns,
      newHost,
      newTime,
      summary,
      onEvent: (event) => {
        if (event.kind === 'excluded') context.output.message(`excluding ${printable(event.path)}`, 2);
        else if (event.kind === 'unreadable') context.output.warn(`kept as it is stored: ${event.error.message}`);
        else tell(event);
      },
    }),
  );
}
