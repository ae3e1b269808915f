// Every widget by the name that Python gives it.
export { BatchTruncation as batch_truncation } from "./batch_truncation";
export { BandwidthSurface as bandwidth_surface } from "./bandwidth_surface";
export { CollapseMap as collapse_map } from "./collapse_map";
export { Density as density } from "./density";
export { Explore as explore } from "./explore";
export { KL as kl } from "./kl";
export { Playground as playground } from "./playground";
export { Spectrum as spectrum } from "./spectrum";
export { TruncatedSVD as truncated_svd } from "./truncated_svd";
