import type { Command } from 'commander';
import type { Session } from '../../program/shell.js';
import { define as defineInit } from '../init/definition.js';

export function define(command: Command, session: Session): void {
  command.description('Commands about the repository as a whole.');
  defineInit(command.command('init').summary('make a new repository').copyInheritedSettings(command), session);
}
