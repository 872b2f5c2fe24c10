import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import type { CatalogVerifyData } from '../../provision/plan/catalog-trust.ts';

export default class CatalogVerify extends BaseCommand<CatalogVerifyData> {
  static override summary = 'Check whether a catalog file is signed by a trusted key.';
  static override description =
    'Exits with 11 when the file is not signed, has expired, or is older than one that was used on this host. Needs no network.';
  static override examples = ['<%= config.bin %> catalog verify ./my-family.json --key ./key.pub'];
  static override args = {
    file: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'catalog file, with its signature in FILE.sig',
    }),
  };
  static override flags = {
    key: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'FILE',
      description: 'public key (PEM; may be repeated; default: catalog-key of the configuration)',
    }),
  };

  override async run(): Promise<CatalogVerifyData> {
    const { args, flags } = await this.parse(CatalogVerify);
    const app = await this.app(flags);
    const { verifyCatalogFile } = await import('../../provision/plan/catalog-files.ts');
    const data = await verifyCatalogFile(app, args.file, flags.key ?? []);
    const version = data.version === undefined ? '' : `, version ${data.version}`;
    const expires = data.expires === undefined ? '' : `, good until ${data.expires}`;
    this.log(`${args.file} is signed by ${data.keyFile}${version}${expires}.`);
    return data;
  }
}
