/** Child of state-file.test.ts: writes a state file with the real code, and tells the code of the error if that fails. */

import { ProvisionError } from '../../../src/core/errors.ts';
import { realDisk } from '../../../src/disk/disk.ts';

const [path = '', text = ''] = process.argv.slice(2);
try {
  await realDisk.replaceText(path, text);
} catch (error) {
  if (!(error instanceof ProvisionError)) throw error;
  process.stdout.write(error.code);
  process.exitCode = error.exitCode;
}
