/** Key files of the user. */
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { realDisk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';
import { type PrivateKey, type PublicKey, readPrivateKey, readPublicKey } from '../../trust/index.ts';

/** Where the passphrase of an encrypted key is read: an argument could be read by every process of this host. */
const PASSPHRASE_VARIABLE = 'GEMMA_PROVISION_KEY_PASSPHRASE';

/** Throws `file-not-found`, `file-access`, `bad-usage`. */
export async function openPublicKeys(files: readonly string[]): Promise<PublicKey[]> {
  return Promise.all(files.map(async (file) => readPublicKey(await readKey(file), file)));
}

/** Throws as `openPublicKeys`, also for an encrypted key without its passphrase. */
export async function openPrivateKey(
  { env }: { readonly env: Readonly<Record<string, string | undefined>> },
  file: string,
): Promise<PrivateKey> {
  return readPrivateKey(await readKey(file), {
    name: file,
    passphrase: env[PASSPHRASE_VARIABLE],
    passphraseHint: `Set its passphrase in the environment: ${PASSPHRASE_VARIABLE}=…`,
  });
}

async function readKey(file: string): Promise<string> {
  try {
    return await realDisk.readFile(file, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw diskError('read', file, cause);
    throw new ProvisionError('file-not-found', `the key file ${file} does not exist`, { cause });
  }
}
