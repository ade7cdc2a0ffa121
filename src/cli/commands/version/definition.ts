import { arch, platform } from 'node:os';
import type { Command } from 'commander';
import { VERSION } from '../../../library/version.js';
import { run, type Session } from '../../program/shell.js';

/** Go's names, because programs that read restic's JSON expect them. */
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', ia32: '386' };

export function define(command: Command, session: Session): void {
  command.description('Print the versions of varve and Node.');
  run(command, session, async ({ output }) => {
    const go_arch = ARCHITECTURES[arch()] ?? arch();
    if (output.json) {
      const versions = {
        version: VERSION,
        go_version: '',
        go_os: platform(),
        go_arch,
        node_version: process.versions.node,
      };
      output.object({ message_type: 'version', ...versions });
    } else output.print(`varve ${VERSION} with Node ${process.versions.node} on ${platform()}/${go_arch}`);
    return 0;
  });
}
