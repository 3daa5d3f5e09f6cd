using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace Functions;

internal enum City
{
    Berlin,
    Paris,
    Rome,
}

/// <summary>The functions. A service as any other: it could ask a database.</summary>
internal sealed class Weather
{
    [Description("How warm it is, in degrees Celsius")]
    public int Temperature(City city) => city switch
    {
        City.Berlin => 9,
        City.Paris => 14,
        _ => 21,
    };

    [Description("Whether it will rain")]
    public bool Rain(City city, [Description("Hours from now"), Range(0, 72)] int hours) => (city is City.Berlin) == (hours < 12);
}
