// Every widget by the name that Python gives it.
import type { FunctionComponent } from "preact";
import type { Host } from "../host";
import { BatchTruncation } from "./batch_truncation";
import { BandwidthSurface } from "./bandwidth_surface";
import { CollapseMap } from "./collapse_map";
import { Density } from "./density";
import { Explore } from "./explore";
import { KL } from "./kl";
import { Playground } from "./playground";
import { Spectrum } from "./spectrum";
import { TruncatedSVD } from "./truncated_svd";

export const WIDGETS: Record<string, FunctionComponent<{ host: Host }>> = {
  batch_truncation: BatchTruncation,
  bandwidth_surface: BandwidthSurface,
  collapse_map: CollapseMap,
  density: Density,
  explore: Explore,
  kl: KL,
  playground: Playground,
  spectrum: Spectrum,
  truncated_svd: TruncatedSVD,
};
