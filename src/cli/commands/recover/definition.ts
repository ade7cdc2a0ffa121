import type { Command } from 'commander';
import { PROGRAM } from '../../../library/version.js';
import type { RecoverEvent, RecoverResult } from '../../../repair/options.js';
import { shortId } from '../../../repository/snapshots/snapshots.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { thisHost, thisUser } from '../../repository/machine.js';
import { openFromOptions } from '../../repository/open.js';
import type { Output } from '../../terminal/output.js';
import { counted } from '../../text/units.js';

const DESCRIPTION = `Make a snapshot of the directories that no snapshot and no other directory refers to: the root directories of snapshots that were forgotten by
mistake or are damaged, as long as \`varve prune\` has not removed their data. Needs a manage or full key.`;

const EXAMPLES = `
The snapshot has the tag recovered. It has a directory /recovered/ID for each directory that was found, with the time of the
latest change in it. Directories that lack something go into a second snapshot, which also has the tag incomplete:
\`varve repair snapshots\` makes it again without what is lost.

Examples:
  varve recover
  varve ls latest --tag recovered /recovered
  varve restore latest:/recovered/1a2b3c4d… --tag recovered --target /tmp/recovered

Exit codes: 0 done, even if there was nothing to recover; 1 failed, or could not read everything; 10 no repository; 11 a prune
or a repair is running; 12 wrong password; 130 interrupted.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  run(command, session, recoverCommand);
}

const recoverCommand: Run<unknown> = async (context) => {
  const { output, signal } = context;
  const load = () => import('../../../repair/recover.js');
  const repository = await openFromOptions(context, load);
  const { recover } = await load();
  const result = await recover(repository, {
    host: context.environment.VARVE_HOST || thisHost(),
    user: thisUser(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    program: PROGRAM,
    signal,
    onEvent: (event) => printEvent(output, event),
  });
  output.status('');
  report(output, result);
  return result.unreadable > 0 ? 1 : 0;
};

function printEvent(output: Output, event: RecoverEvent): void {
  if (event.kind === 'snapshot') output.status(() => `looking at ${counted(event.total, 'snapshot')}: ${event.done}`);
  else if (output.json)
    output.errorObject({ message_type: 'error', error: { message: event.message }, during: 'recover' });
  else output.error(`error: ${event.message}`);
}

function report(output: Output, { snapshots, unreadable }: RecoverResult): void {
  if (output.json) {
    const made = snapshots.map(({ id, directories, isWhole }) => ({ id, directories, incomplete: !isWhole }));
    output.object({ message_type: 'summary', snapshots: made, unreadable });
    return;
  }
  if (unreadable > 0)
    output.error(
      'not everything could be read, so there may be more to recover: see the errors above, then run it again',
    );
  else if (snapshots.length === 0) output.message('no unreferenced directories found: there is nothing to recover');
  for (const { id, directories, isWhole } of snapshots) {
    const lost = isWhole ? '' : '; something in it is lost: `varve repair snapshots` makes it again without that';
    output.prose(`snapshot ${shortId(id)} saved, with ${counted(directories, 'directory')}${lost}`);
  }
}
