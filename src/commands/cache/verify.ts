import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { verificationText } from '../../cli/render/cache.ts';
import { EXIT_CODE } from '../../core/errors.ts';
import type { CacheVerification } from '../../sources/cache/schema.ts';

export default class CacheVerify extends BaseCommand<CacheVerification> {
  static override summary = 'Verify the hashes of all cached files.';
  static override description = 'Exits with 11 when a file is corrupt and was not removed.';
  static override examples = ['<%= config.bin %> cache verify', '<%= config.bin %> cache verify --remove'];
  static override flags = {
    remove: Flags.boolean({ description: 'remove corrupt files; they are downloaded again when needed' }),
  };

  override async run(): Promise<CacheVerification> {
    const { flags } = await this.parse(CacheVerify);
    const app = await this.app(flags);
    const { verifyCache } = await import('../../provision/maintain/cache.ts');
    const verification = await this.progress(await verifyCache(app, flags.remove ?? false));
    const isBad = verification.results.some((each) => !each.ok && !each.removed);
    if (isBad) this.negative(EXIT_CODE['digest-mismatch']);
    this.log(verificationText(verification));
    return verification;
  }
}
