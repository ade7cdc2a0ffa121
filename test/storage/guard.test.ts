import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { openRest } from '../../src/storage/rest/open.js';
import { openS3 } from '../../src/storage/s3/open.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import type { Store } from '../../src/storage/store.js';
import { startScripted } from '../servers/scripted.js';
import { object } from './conformance.js';
import { settings } from './transport/settings.js';

const OPEN: Readonly<Record<string, (host: string, given: StoreSettings) => Promise<Store>>> = {
  rest: (host, given) => openRest(`http://${host}/`, given),
  s3: (host, given) => openS3(`http://${host}/bucket`, given),
};

for (const [kind, open] of Object.entries(OPEN)) {
  test(`${kind}: many interruptible requests cause no warning of a leak`, async (context) => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => {
      if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning);
    };
    process.on('warning', note);
    context.after(() => process.off('warning', note));
    const server = await startScripted((_, response) => void response.end());
    context.after(() => server.stop());
    const environment = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
    const given = settings({ environment, signal: new AbortController().signal, connections: 30 });
    const store = await openGuarded(kind, (how) => open(server.host, how), given);
    context.after(() => store.close());
    await Promise.all(Array.from({ length: 30 }, () => store.remove('data', object(1).name)));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(warnings, []);
  });
}
