import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags, outputFlags, runtimeFlags, signFlags } from '../../cli/flags.ts';
import { bundleText } from '../../cli/render/bundle.ts';
import type { BundleCreateData } from '../../provision/share/bundle.ts';

export default class BundleCreate extends BaseCommand<BundleCreateData> {
  static override summary = 'Write an installed model and everything it needs into one file.';
  static override description =
    'The file is an OCI image layout in a tar file, which skopeo and oras can read too. It has the GGUF file, lock file, chat template, Modelfile, licence and smoke suite. The same model always gives the same bytes. The passphrase of an encrypted key is read from GEMMA_PROVISION_KEY_PASSPHRASE.';
  static override examples = [
    '<%= config.bin %> bundle create gemma-3n-e4b:q4_k_m ./gemma-3n-e4b.tar',
    '<%= config.bin %> bundle create gemma-3n-e4b:q4_k_m ./gemma-3n-e4b.tar --sign ./key.pem --model-version 3',
  ];
  static override args = {
    name: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'name of the installed model, as shown by list',
    }),
    file: Args.string({ required: true, ignoreStdin: true, description: 'bundle file to write' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    ...outputFlags,
    ...signFlags,
  };

  override async run(): Promise<BundleCreateData> {
    const { args, flags } = await this.parse(BundleCreate);
    const app = await this.app(flags);
    const { createBundle } = await import('../../provision/share/bundle.ts');
    const data = await this.progress(createBundle(app, args.name, args.file, flags));
    this.log(bundleText(data));
    return data;
  }
}
