import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { outputFlags } from '../../cli/flags.ts';
import type { CatalogSignData } from '../../provision/plan/catalog-trust.ts';

export default class CatalogSign extends BaseCommand<CatalogSignData> {
  static override summary = 'Sign a catalog file with a private key.';
  static override description =
    'Writes FILE.sig beside the file, in the format of OpenSSF model signing. Create a key with: openssl ecparam -name prime256v1 -genkey -noout -out key.pem && openssl ec -in key.pem -pubout -out key.pub. The passphrase of an encrypted key is read from GEMMA_PROVISION_KEY_PASSPHRASE.';
  static override examples = ['<%= config.bin %> catalog sign ./my-family.json --key ./key.pem'];
  static override args = {
    file: Args.string({ required: true, ignoreStdin: true, description: 'catalog file' }),
  };
  static override flags = {
    key: Flags.string({ required: true, helpValue: 'FILE', description: 'private key (PEM, P-256 or P-384)' }),
    ...outputFlags,
  };

  override async run(): Promise<CatalogSignData> {
    const { args, flags } = await this.parse(CatalogSign);
    const app = await this.app(flags);
    const { signCatalogFile } = await import('../../provision/plan/catalog-files.ts');
    const data = await signCatalogFile(app, args.file, flags);
    if (data.version === undefined)
      this.warn(`${args.file} has no "version", so an older signed file cannot be distinguished from it.`);
    this.log(`${data.signature} signs ${args.file} with the key ${data.key.slice(0, 16)}….`);
    return data;
  }
}
