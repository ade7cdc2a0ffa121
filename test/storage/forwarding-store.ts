import { ForwardingStore as Passing } from '../../src/storage/guards/forwarding.js';

/** Passes everything on but the files' paths: what a test does to reading then happens to all reading. */
export class ForwardingStore extends Passing {
  override readonly filePath = undefined;
}
