using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Hosting;
using WarpDecode.Runtime.Text;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds a model to an application's services.</summary>
/// <remarks>
/// Each method registers, as singletons: <see cref="Engine"/>, <see cref="IChatClient"/> (and <see cref="WarpDecodeChatClient"/>, the same object),
/// <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of texts (and <see cref="WarpDecodeEmbeddingGenerator"/>, the same object) and <see cref="Tokenizer"/>. All are safe to
/// use from many threads. The container disposes them, the engine after the clients. In a host the model is opened while it starts, unless
/// <see cref="WarpDecodeOptions.LoadAtStartup"/> is off; options are validated then, too. What another has registered before, for example an IChatClient, stays.
/// <para>To put something between the application and the model, register a client over ours:
/// <c>services.AddChatClient(sp =&gt; sp.GetRequiredService&lt;WarpDecodeChatClient&gt;()).UseFunctionInvocation().UseOpenTelemetry()</c>.</para>
/// <para>Logs are of categories that begin with <c>WarpDecode.Runtime</c>. Traces and metrics, with the names of OpenTelemetry's conventions for generative AI, are of the source and the meter
/// <c>WarpDecode.Runtime</c>; they hold no texts. With Microsoft.Extensions.AI's <c>UseOpenTelemetry()</c> over ours its span, of kind client, is the parent of ours, of kind internal;
/// both have the <c>gen_ai.client.*</c> metrics, each under a meter of its own, and <c>gen_ai.server.*</c> (time to the first token, time per token) are ours alone. Subscribe to one
/// of the two meters, or tell them apart by it.</para>
/// </remarks>
public static class WarpDecodeServiceCollectionExtensions
{
    /// <summary>Adds a model with the default options.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="modelPath">Path of the model.</param>
    public static IServiceCollection AddWarpDecode(this IServiceCollection services, string modelPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelPath);
        return services.AddWarpDecode(options => options.ModelPath = modelPath);
    }

    /// <summary>Adds a model with options set in code.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Sets the options.</param>
    public static IServiceCollection AddWarpDecode(this IServiceCollection services, Action<WarpDecodeOptions> configure) =>
        services.AddModel(null, Options.Options.DefaultName, configure);

    /// <summary>Adds a model with options read from the configuration.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configuration">A section with settings named as the properties of <see cref="WarpDecodeOptions"/>, or a whole configuration, whose section <c>WarpDecode</c> is taken.</param>
    public static IServiceCollection AddWarpDecode(this IServiceCollection services, IConfiguration configuration) =>
        services.AddModel(null, Options.Options.DefaultName, configuration, WarpDecodeOptions.DefaultSection);

    /// <summary>Adds one of several models with the default options.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="serviceKey">The key that its services are asked for with.</param>
    /// <param name="modelPath">Path of the model.</param>
    public static IServiceCollection AddKeyedWarpDecode(this IServiceCollection services, string serviceKey, string modelPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelPath);
        return services.AddKeyedWarpDecode(serviceKey, options => options.ModelPath = modelPath);
    }

    /// <summary>Adds one of several models with options set in code.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="serviceKey">The key that its services are asked for with; the options have it for a name.</param>
    /// <param name="configure">Sets the options.</param>
    public static IServiceCollection AddKeyedWarpDecode(this IServiceCollection services, string serviceKey, Action<WarpDecodeOptions> configure)
    {
        ArgumentException.ThrowIfNullOrEmpty(serviceKey);
        return services.AddModel(serviceKey, serviceKey, configure);
    }

    /// <summary>Adds one of several models with options read from the configuration.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="serviceKey">The key that its services are asked for with; the options have it for a name.</param>
    /// <param name="configuration">A section with settings named as the properties of <see cref="WarpDecodeOptions"/>, or a whole configuration, whose section <c>WarpDecode:KEY</c> is taken.</param>
    public static IServiceCollection AddKeyedWarpDecode(this IServiceCollection services, string serviceKey, IConfiguration configuration)
    {
        ArgumentException.ThrowIfNullOrEmpty(serviceKey);
        return services.AddModel(serviceKey, serviceKey, configuration, ConfigurationPath.Combine(WarpDecodeOptions.DefaultSection, serviceKey));
    }

    private static IServiceCollection AddModel(this IServiceCollection services, string? key, string name, Action<WarpDecodeOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.Configure(name, configure);
        return services.AddModel(key, name);
    }

    private static IServiceCollection AddModel(this IServiceCollection services, string? key, string name, IConfiguration configuration, string path)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        var section = configuration as IConfigurationSection ?? configuration.GetSection(path);
        services.AddSingleton<IConfigureOptions<WarpDecodeOptions>>(new WarpDecodeConfiguration(name, section));
        services.AddSingleton(new SettingsPlace(name, section.Path));
        return services.AddModel(key, name);
    }

    // Called twice for one key, it adds options and no second model.
    private static IServiceCollection AddModel(this IServiceCollection services, string? key, string name)
    {
        if (services.Any(service => service.ServiceType == typeof(EngineSource) && Equals(service.ServiceKey, key))) return services;
        services.AddOptions<WarpDecodeOptions>(name).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<WarpDecodeOptions>, WarpDecodeOptionsValidator>());
        services.AddOnce<EngineSource>(key, sp => new EngineSource(
            sp.GetRequiredService<IOptionsMonitor<WarpDecodeOptions>>(), name, sp.LoggerOf<Engine>()));
        services.AddOnce(key, sp => sp.Model<EngineSource>(key).Get());
        services.AddOnce(key, sp => sp.Model<Engine>(key).Tokenizer);
        services.AddOnce(key, sp =>
        {
            var (options, engine) = (sp.Model<EngineSource>(key).Options, sp.Model<Engine>(key));
            var settings = new ChatClientSettings
            {
                ModelId = options.ModelId,
                AnswerFormat = options.AnswerFormat,
                Generation = options.ToGenerationOptions(engine.File.Metadata),
            };
            return new WarpDecodeChatClient(engine, settings, sp.LoggerOf<WarpDecodeChatClient>());
        });
        services.AddOnce(key, sp => new WarpDecodeEmbeddingGenerator(
            sp.Model<Engine>(key), sp.Model<EngineSource>(key).Options.ModelId, sp.LoggerOf<WarpDecodeEmbeddingGenerator>()));
        services.AddOnce<IChatClient>(key, sp => sp.Model<WarpDecodeChatClient>(key));
        services.AddOnce<IEmbeddingGenerator<string, Embedding<float>>>(key, sp => sp.Model<WarpDecodeEmbeddingGenerator>(key));
        services.AddOnce<IEmbeddingGenerator>(key, sp => sp.Model<WarpDecodeEmbeddingGenerator>(key));
        services.AddSingleton<IHostedService>(sp => new EngineStartup(sp.Model<EngineSource>(key)));
        return services;
    }

    private static void AddOnce<T>(this IServiceCollection services, string? key, Func<IServiceProvider, T> create)
        where T : class => services.TryAdd(new ServiceDescriptor(typeof(T), key, (sp, _) => create(sp), ServiceLifetime.Singleton));

    private static T Model<T>(this IServiceProvider services, string? key)
        where T : class => key is null ? services.GetRequiredService<T>() : services.GetRequiredKeyedService<T>(key);

    // An application without logging has no logger to give.
    private static ILogger<T> LoggerOf<T>(this IServiceProvider services) => services.GetService<ILoggerFactory>()?.CreateLogger<T>() ?? NullLogger<T>.Instance;
}
