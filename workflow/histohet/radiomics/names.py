"""IBSI's tags of features, their families, and what PyRadiomics calls them."""

from __future__ import annotations

FAMILIES = {
    "morph": "shape",
    "loc": "local intensity",
    "stat": "intensity",
    "ih": "histogram",
    "ivh": "volume histogram",
    "cm": "GLCM",
    "rlm": "GLRLM",
    "szm": "GLSZM",
    "dzm": "GLDZM",
    "ngt": "NGTDM",
    "ngl": "NGLDM",
}
"""Families by the beginning of IBSI's tags."""

OTHER = "other"
"""Family of finished features with names that we do not know."""

_OF_CLASS = {
    "shape": "morph",
    "firstorder": "stat",
    "glcm": "cm",
    "glrlm": "rlm",
    "glszm": "szm",
    "gldm": "ngl",
    "ngtdm": "ngt",
}
_ENDINGS = {"cm": "_3D_avg", "rlm": "_3D_avg", "szm": "_3D", "ngl": "_3D", "ngt": "_3D"}

_SAME = {
    "shape": "MeshVolume=volume VoxelVolume=vol_approx SurfaceArea=area_mesh SurfaceVolumeRatio=av "
    "Sphericity=sphericity Maximum3DDiameter=diam MajorAxisLength=pca_maj_axis "
    "MinorAxisLength=pca_min_axis LeastAxisLength=pca_least_axis Elongation=pca_elongation "
    "Flatness=pca_flatness",
    "firstorder": "Mean=mean Variance=var Skewness=skew Kurtosis=kurt Median=median Minimum=min "
    "10Percentile=p10 90Percentile=p90 Maximum=max InterquartileRange=iqr Range=range "
    "MeanAbsoluteDeviation=mad RobustMeanAbsoluteDeviation=rmad Energy=energy RootMeanSquared=rms",
    "glcm": "MaximumProbability=joint_max JointAverage=joint_avg SumSquares=joint_var "
    "JointEntropy=joint_entr DifferenceAverage=diff_avg DifferenceVariance=diff_var "
    "DifferenceEntropy=diff_entr SumAverage=sum_avg SumEntropy=sum_entr JointEnergy=energy "
    "Contrast=contrast Id=inv_diff Idn=inv_diff_norm Idm=inv_diff_mom Idmn=inv_diff_mom_norm "
    "InverseVariance=inv_var Correlation=corr Autocorrelation=auto_corr ClusterTendency=clust_tend "
    "ClusterShade=clust_shade ClusterProminence=clust_prom Imc1=info_corr1 Imc2=info_corr2",
    "glrlm": "ShortRunEmphasis=sre LongRunEmphasis=lre LowGrayLevelRunEmphasis=lgre "
    "HighGrayLevelRunEmphasis=hgre ShortRunLowGrayLevelEmphasis=srlge "
    "ShortRunHighGrayLevelEmphasis=srhge LongRunLowGrayLevelEmphasis=lrlge "
    "LongRunHighGrayLevelEmphasis=lrhge GrayLevelNonUniformity=glnu "
    "GrayLevelNonUniformityNormalized=glnu_norm RunLengthNonUniformity=rlnu "
    "RunLengthNonUniformityNormalized=rlnu_norm RunPercentage=r_perc GrayLevelVariance=gl_var "
    "RunVariance=rl_var RunEntropy=rl_entr",
    "glszm": "SmallAreaEmphasis=sze LargeAreaEmphasis=lze LowGrayLevelZoneEmphasis=lgze "
    "HighGrayLevelZoneEmphasis=hgze SmallAreaLowGrayLevelEmphasis=szlge "
    "SmallAreaHighGrayLevelEmphasis=szhge LargeAreaLowGrayLevelEmphasis=lzlge "
    "LargeAreaHighGrayLevelEmphasis=lzhge GrayLevelNonUniformity=glnu "
    "GrayLevelNonUniformityNormalized=glnu_norm SizeZoneNonUniformity=zsnu "
    "SizeZoneNonUniformityNormalized=zsnu_norm ZonePercentage=z_perc GrayLevelVariance=gl_var "
    "ZoneVariance=zs_var ZoneEntropy=zs_entr",
    "gldm": "SmallDependenceEmphasis=lde LargeDependenceEmphasis=hde LowGrayLevelEmphasis=lgce "
    "HighGrayLevelEmphasis=hgce SmallDependenceLowGrayLevelEmphasis=ldlge "
    "SmallDependenceHighGrayLevelEmphasis=ldhge LargeDependenceLowGrayLevelEmphasis=hdlge "
    "LargeDependenceHighGrayLevelEmphasis=hdhge GrayLevelNonUniformity=glnu "
    "DependenceNonUniformity=dcnu DependenceNonUniformityNormalized=dcnu_norm "
    "GrayLevelVariance=gl_var DependenceVariance=dc_var DependenceEntropy=dc_entr",
    "ngtdm": "Coarseness=coarseness Contrast=contrast Busyness=busyness Complexity=complexity "
    "Strength=strength",
}
"""PyRadiomics' names and the middles of IBSI's tags, by PyRadiomics' class."""

_DISCRETISED = {"Entropy": "ih_entropy", "Uniformity": "ih_uniformity"}
"""Of PyRadiomics' first order what IBSI has of the histogram."""


def _tags() -> dict[str, str]:
    tags = {f"original_firstorder_{name}": tag for name, tag in _DISCRETISED.items()}
    for kind, pairs in _SAME.items():
        start = _OF_CLASS[kind]
        for pair in pairs.split():
            name, middle = pair.split("=")
            tags[f"original_{kind}_{name}"] = f"{start}_{middle}{_ENDINGS.get(start, '')}"
    return tags


TAGS = _tags()
"""IBSI's tags by PyRadiomics' names; kurtosis is IBSI's plus 3, the rest is the same quantity."""


def family_of(name: str) -> str:
    """Return the family of a feature, by the name that its engine gives it; else `OTHER`."""
    tag = tag_of(name)
    if tag:
        return FAMILIES.get(tag.split("_")[0], OTHER)
    return FAMILIES.get(_OF_CLASS.get(name.split("_")[1], ""), OTHER)


def tag_of(name: str) -> str:
    """Return IBSI's tag of a feature, by the name that its engine gives it; "" if it has none."""
    return TAGS.get(name, "") if name.startswith("original_") else name
