//! `incline vpn-config`
use crate::arguments::{Common, VpnConfig, VpnFormat};
use crate::error::{Exit, Failure};
use crate::{estate, view};
use incline_model::site::Site;
use incline_render::{VpnDevice, render_vpn};

pub(crate) fn run(common: &Common, options: &VpnConfig) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let names = [options.site.clone()];
    for site in estate::select(&estate, &names)? {
        let site = match site {
            Site::OnPrem(site) if !site.tunnels().is_empty() => site,
            _ => {
                return Err(Failure::NoTunnels { site: site.name().to_string() });
            }
        };
        let device = match options.format {
            VpnFormat::Text => VpnDevice::Generic,
            VpnFormat::Bigip => VpnDevice::BigIp,
            VpnFormat::Swanctl => VpnDevice::StrongSwan,
        };
        let text = render_vpn(site, device, &estate::templates(common)?)
            .map_err(|source| Failure::Render { site: site.typed().name.to_string(), source })?;
        view::say(&text)?;
    }
    Ok(Exit::Done)
}
