// The work of `rewrite`: turns the options into changes of snapshots.
// rewrite-command.ts of snapshots/ runs it and reports.
import { VarveError } from '../../../errors/errors.js';
import type { PatternSpec } from '../../../filesystem/patterns.js';
import type { Context } from '../../program/shell.js';
import { type RewriteOptionFlags, rewriteChosen } from '../../snapshots/rewrite-command.js';
import { printable } from '../../text/escape.js';
import { parseTimeOption } from '../../text/time.js';
import { type PatternFlags, patternsFrom } from '../backup/options.js';

export interface RewriteFlags extends RewriteOptionFlags, PatternFlags {
  readonly include?: readonly string[];
  readonly iinclude?: readonly string[];
  readonly includeFile?: readonly string[];
  readonly iincludeFile?: readonly string[];
  readonly newHost?: string;
  readonly newTime?: string;
  readonly snapshotSummary?: boolean;
}

export async function rewriteCommand(context: Context, ids: readonly string[], flags: RewriteFlags): Promise<number> {
  const { newHost, snapshotSummary: summary = false } = flags;
  const patterns = patternsFrom(context, flags);
  const includes = includesFrom(context, flags);
  const newTime = flags.newTime === undefined ? undefined : parseTimeOption(flags.newTime, '--new-time');
  const excludes = patterns.excludes.length + patterns.iexcludes.length;
  if (excludes > 0 && includes.length > 0) throw new VarveError('usage', '--include and --exclude exclude each other');
  if (excludes === 0 && includes.length === 0 && newHost === undefined && newTime === undefined && !summary)
    throw new VarveError(
      'usage',
      'nothing to do: give --exclude, --include, --new-host, --new-time or --snapshot-summary',
    );
  const { editSnapshots } = await import('../../../copy/rewrite.js');
  return rewriteChosen(context, ids, flags, 'rewrite snapshots', (repository, chosen, settings, onEvent) =>
    editSnapshots(repository, chosen, {
      ...settings,
      ...patterns,
      includes,
      newHost,
      newTime,
      summary,
      onEvent: (event) => {
        if (event.kind === 'excluded') context.output.message(`excluding ${printable(event.path)}`, 2);
        else if (event.kind === 'unreadable') context.output.warn(`kept as it is stored: ${event.error.message}`);
        else onEvent(event);
      },
    }),
  );
}

function includesFrom(context: Context, { include, iinclude, includeFile, iincludeFile }: RewriteFlags): PatternSpec[] {
  const flags = { exclude: include, iexclude: iinclude, excludeFile: includeFile, iexcludeFile: iincludeFile };
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const { excludes: patterns, iexcludes } = patternsFrom(context, given, 'include');
  const specs = [
    { patterns, insensitive: false },
    { patterns: iexcludes, insensitive: true },
  ];
  return specs.filter((spec) => spec.patterns.length > 0);
}
