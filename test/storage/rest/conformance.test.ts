import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { openRest } from '../../../src/storage/rest/open.js';
import type { ObjectType } from '../../../src/storage/store.js';
import { RCLONE_MISSING, type RestServer, startRclone } from '../../servers/rclone.js';
import { REST_SERVER_MISSING, startRestServer } from '../../servers/rest-server.js';
import { startVarveServe } from '../../servers/varve-serve.js';
import { conformance, type Subject } from '../conformance.js';
import { NOT_OF_RCLONE } from '../rclone/exceptions.js';
import { settings } from '../transport/settings.js';

function conforms(
  kind: string,
  missing: false | string,
  start: (directory: string) => Promise<RestServer>,
  except: Readonly<Record<string, string>> = {},
): void {
  describe(kind, { skip: missing }, () => {
    const scratch = mkdtempSync(join(tmpdir(), 'varve-rest-'));
    let server: RestServer;
    let number = 0;
    before(async () => {
      server = await start(scratch);
    });
    after(async () => {
      await server?.stop();
      rmSync(scratch, { recursive: true, force: true });
    });
    const open = async (): Promise<Subject> => {
      const name = `repository-${number++}`;
      const place = `http://ann:secret@${server.host}/${name}`;
      const store = await openRest(place, settings());
      await store.create();
      const plant = async (type: ObjectType, name_: string, bytes: Uint8Array): Promise<void> => {
        const directory = type === 'data' ? join(scratch, name, type, name_.slice(0, 2)) : join(scratch, name, type);
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, name_), bytes);
      };
      return { store, other: await openRest(place, settings()), plant, replacesInTwoSteps: true };
    };
    conformance(kind, open, except);
  });
}

conforms('rest-server', REST_SERVER_MISSING, (directory) =>
  startRestServer(directory, { ann: 'secret' }, '--no-verify-upload'),
);
conforms(
  'rclone serve restic',
  RCLONE_MISSING,
  (directory) => startRclone(directory, '--user', 'ann', '--pass', 'secret'),
  NOT_OF_RCLONE,
);
conforms('varve serve', false, (directory) => startVarveServe(directory, { ann: 'secret' }, '--no-verify-upload'));
