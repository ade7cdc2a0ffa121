import type { Command } from 'commander';
import type { Session } from '../../program/shell.js';
import { defineIndex } from './index-definition.js';
import { definePacks } from './packs-definition.js';
import { defineSnapshots } from './snapshots-definition.js';

const DESCRIPTION = `Repair a damaged repository. \`varve check\` says what is damaged and which command helps; see docs/repair.md. First look for another copy of the
repository: an object that you copy back from it is whole again, and nothing is lost.`;

const EXAMPLES = `
Examples:
  varve check --read-data
  varve repair index
  varve repair packs 1a2b3c4d
  varve repair snapshots --dry-run`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  for (const [name, summary, defineOne] of [
    ['index', 'rebuild the index from the packs', defineIndex],
    ['packs', 'salvage what can be read of damaged packs', definePacks],
    ['snapshots', 'copy damaged snapshots without what is lost', defineSnapshots],
  ] as const) {
    defineOne(command.command(name).summary(summary).copyInheritedSettings(command), session);
  }
}
