import type { Command } from 'commander';
import type { Session } from '../../program/shell.js';
import { defineAdd } from './add.js';
import { defineList } from './list.js';
import { definePasswd } from './passwd.js';
import { defineRemove } from './remove.js';
import { defineRotate } from './rotate.js';

const DESCRIPTION = `A key opens the repository with a password or a key file, for one person or machine. A full key may do everything. A manage key can list and
manage snapshots, but not read file contents. An append key can make backups, but read nothing back. None of these commands changes the
stored data.`;

const EXAMPLES = `
Examples:
  varve key list
  varve key add --role append --host web1 --new-password-file web1.password
  varve key remove 1a2b3c4d --ignore-since 2026-03-01 && varve key rotate     after web1 was stolen`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  for (const [name, summary, defineOne] of [
    ['list', 'list the keys', defineList],
    ['add', 'add a key', defineAdd],
    ['remove', 'remove a key', defineRemove],
    ['passwd', 'change the password of the key in use', definePasswd],
    ['rotate', 'give the repository new secrets', defineRotate],
  ] as const) {
    defineOne(command.command(name).summary(summary).copyInheritedSettings(command), session);
  }
}
